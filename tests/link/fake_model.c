/* A network for tests of the wire: two inputs (int8[4], float32[2]), two outputs (int8[4], int32[1]), state, three
 * layers that report to the hook.  output 0 = input 0 + 1 (wrapping), output 1 = inferences since reset.  A training
 * step adds rate * label to the weights, and its loss is their sum before. */
#include <string.h>

#include "mcu_model.h"
#include "mcu_store.h"

static int8_t x0[4], y0[4], hidden[4];
static float x1[2];
static int32_t y1[1];
static float weights_data[2];

static const mcu_tensor_info inputs[] = {
    {"first", 4, MCU_INT8, 2, {1, 4}, 0.5f, -3},
    {"second \xc3\xa9", 8, MCU_FLOAT32, 1, {2}, 0.0f, 0},
};
static const mcu_tensor_info outputs[] = {
    {"sum", 4, MCU_INT8, 2, {1, 4}, 0.25f, 7},
    {"count", 4, MCU_INT32, 1, {1}, 0.0f, 0},
};

#ifdef FAKE_HOOKS /* the other build is a network that does not train */
static int32_t label_data[1];
static float rate;
static const mcu_tensor_info label_info[] = {{"label", 4, MCU_INT32, 1, {1}, 0.0f, 0}};
static const mcu_tensor_info weights_info[] = {{"w", 8, MCU_FLOAT32, 1, {2}, 0.0f, 0}};
#endif

static void *input(unsigned index) {
    return index == 0 ? (void *)x0 : (void *)x1;
}

static const void *output(unsigned index) {
    return index == 0 ? (const void *)y0 : (const void *)y1;
}

static void hook(uint16_t layer, const void *data, uint32_t bytes) {
#ifdef FAKE_HOOKS
    mcu_layer_hook(layer, data, bytes);
#else
    (void)layer;
    (void)data;
    (void)bytes;
#endif
}

static int invoke(void) {
    if (x1[1] == 13.0f) return -13; /* a way to make it fail */
    if (x1[1] == 14.0f) {           /* a way to make it slow */
        for (volatile uint32_t i = 0; i < 3000000u; i++) {
        }
    }
    for (int i = 0; i < 4; i++) hidden[i] = (int8_t)(2 * (x0[i] % 60));
    hook(0, hidden, sizeof hidden);
    for (int i = 0; i < 4; i++) y0[i] = (int8_t)(uint8_t)(x0[i] + 1);
    hook(1, y0, sizeof y0);
    y1[0]++;
    hook(2, y1, sizeof y1);
    memset(x0, 0x55, sizeof x0); /* inputs do not survive */
    return 0;
}

#ifdef FAKE_HOOKS
static int frozen_tensor;

static void freeze(unsigned index, int frozen) {
    (void)index;
    frozen_tensor = frozen;
}

static int train_step(const void *x, const void *label, float *loss) {
    if (x != NULL || label != NULL || invoke() != 0) return 9; /* the server writes both before */
    *loss = weights_data[0] + weights_data[1];
    if (label_data[0] < 0) return 2;
    for (int i = 0; i < 2 && !frozen_tensor; i++) weights_data[i] += rate * (float)label_data[0];
    return 0;
}

static void set_rate(float r) {
    rate = r;
}

static void *label(void) {
    return label_data;
}

/* A store that fails as the learning rate tells it. */
static float kept[2];
static int has_kept;

static int save(void) {
    if (rate == 9.0f) return MCU_STORE_SIZE;
    memcpy(kept, weights_data, sizeof kept);
    has_kept = 1;
    return MCU_STORE_OK;
}

static int load(void) {
    if (rate == 9.0f) return MCU_STORE_FLASH;
    if (!has_kept) return MCU_STORE_EMPTY;
    memcpy(weights_data, kept, sizeof kept);
    return MCU_STORE_OK;
}

static int forget(void) {
    if (rate == 9.0f) return MCU_STORE_VERIFY;
    has_kept = 0;
    return MCU_STORE_OK;
}

static uint32_t room(void) {
    return 7u;
}

static const mcu_model_store store = {save, load, forget, 8u, room};

static void *weights(unsigned index) {
    return index == 0 ? weights_data : NULL;
}
#endif

static void reset(void) {
    weights_data[0] = weights_data[1] = 0.5f;
    y1[0] = 0;
}

static int guard_ok(void) {
    return 1;
}

const mcu_model mcu_gen_model = {
    .name = "fake",
    .model_hash = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
    .tool_version = "test",
    .arena_bytes = 28,
    .layers = 3,
    .num_inputs = 2,
    .num_outputs = 2,
    .inputs = inputs,
    .outputs = outputs,
    .input = input,
    .output = output,
    .invoke = invoke,
    .reset = reset,
#ifdef FAKE_HOOKS
    .train_step = train_step,
    .freeze = freeze,
    .set_learning_rate = set_rate,
    .label = label,
    .weights = weights,
    .label_info = label_info,
    .weights_info = weights_info,
    .num_weights = 1,
    .store = &store,
#endif
    .guard_ok = guard_ok,
};
