/* What the runtime knows of a network: a descriptor that the generated glue (src/<net>_model.c) fills. */
#ifndef MCU_MODEL_H
#define MCU_MODEL_H

#include <stddef.h>
#include <stdint.h>

#define MCU_MAX_RANK 6u

/* Codes of element types, as in the wire format. */
enum {
    MCU_INT8 = 0,
    MCU_UINT8 = 1,
    MCU_INT16 = 2,
    MCU_INT32 = 3,
    MCU_INT64 = 4,
    MCU_FLOAT16 = 5,
    MCU_FLOAT32 = 6,
    MCU_BOOL = 7
};

typedef struct {
    const char *name;
    uint32_t bytes;
    uint8_t dtype; /* MCU_INT8 ... */
    uint8_t rank;
    uint32_t dims[MCU_MAX_RANK];
    float scale; /* 0 where the tensor is not quantized per tensor */
    int32_t zero_point;
} mcu_tensor_info;

/* Weights in flash; all give 0 or a negative code of mcu_store.h. */
typedef struct {
    int (*save)(void);
    int (*load)(void);
    int (*forget)(void);
    uint32_t bytes;         /* of what is saved */
    uint32_t (*room)(void); /* bytes that the flash takes; 0 where there is none */
} mcu_model_store;

typedef struct {
    const char *name;       /* C prefix of the network */
    const char *model_hash; /* SHA-256 of the model file, 64 hex digits */
    const char *tool_version;
    uint32_t arena_bytes;
    uint32_t layers; /* number of steps of an inference */
    uint32_t num_inputs, num_outputs;
    const mcu_tensor_info *inputs, *outputs;
    void *(*input)(unsigned index);
    const void *(*output)(unsigned index);
    int (*invoke)(void); /* 0 = ok */
    void (*reset)(void); /* initial values of variable tensors */
    /* For an input that comes row by row and is never whole in memory (input() gives NULL for it), else NULL. */
    int (*push_rows)(const void *rows, uint32_t count);
    uint32_t rows, row_bytes;
    /* For a network that trains itself, else all NULL and 0: a step with the label written before (see
     * <net>_train_step()), where the label is written, and the trained weights. */
    int (*train_step)(const void *x, const void *label, float *loss);
    void (*set_learning_rate)(float rate);
    void (*freeze)(unsigned index, int frozen);
    void *(*label)(void);
    void *(*weights)(unsigned index);
    const mcu_tensor_info *label_info, *weights_info;
    uint32_t num_weights;
    const mcu_model_store *store;
    int (*guard_ok)(void); /* 1 while no guard byte has changed; NULL in builds without guard zones */
} mcu_model;

/* Called by the glue after every layer where the network is built with hooks; output is the layer's, bytes long. */
void mcu_layer_hook(uint16_t layer, const void *output, uint32_t bytes);

/* Defined by the generated glue. */
extern const mcu_model mcu_gen_model;

#endif
