/* Ticks per layer, and the output of one layer.  mcu_hooks.c is linked only into builds whose network calls
 * mcu_layer_hook(); the server reaches its table through mcu_measure.hooks, so other builds spend no RAM on it. */
#ifndef MCU_HOOKS_H
#define MCU_HOOKS_H

#include <stdint.h>

/* Longest table of layers; a build may set it. */
#ifndef MCU_MAX_LAYERS
#define MCU_MAX_LAYERS 512u
#endif

#define MCU_NO_LAYER 0x10000u

typedef struct {
    uint64_t ticks[MCU_MAX_LAYERS]; /* each with the overhead of measuring once, and the calls of the hook */
    uint64_t last;                  /* when the hook was left */
    uint64_t inside;                /* ticks spent in the hook, which belong to no layer */
    uint32_t count;                 /* layers recorded in this inference */
} mcu_hooks;

/* What server and hook share about the inference that runs. */
typedef struct {
    uint64_t start;                                      /* set right before the inference */
    uint32_t overhead;                                   /* ticks of an empty segment */
    uint32_t layer;                                      /* the layer whose output is wanted, or MCU_NO_LAYER */
    void (*take)(const uint8_t *output, uint32_t bytes); /* gets that output */
    mcu_hooks *hooks; /* set by the hook at its first call of an inference; NULL where there are no hooks */
} mcu_measure_state;

extern mcu_measure_state mcu_measure;

#endif
