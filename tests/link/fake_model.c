/* A network for tests of the wire: two inputs (int8[4], float32[2]), two outputs (int8[4], int32[1]), state, three
 * layers that report to the hook.  output 0 = input 0 + 1 (wrapping), output 1 = inferences since reset. */
#include <string.h>

#include "mcu_model.h"

static int8_t x0[4], y0[4], hidden[4];
static float x1[2];
static int32_t y1[1];

static const mcu_tensor_info inputs[] = {
    {"first", 4, MCU_INT8, 2, {1, 4}, 0.5f, -3},
    {"second \xc3\xa9", 8, MCU_FLOAT32, 1, {2}, 0.0f, 0},
};
static const mcu_tensor_info outputs[] = {
    {"sum", 4, MCU_INT8, 2, {1, 4}, 0.25f, 7},
    {"count", 4, MCU_INT32, 1, {1}, 0.0f, 0},
};

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

static void reset(void) {
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
    .guard_ok = guard_ok,
};
