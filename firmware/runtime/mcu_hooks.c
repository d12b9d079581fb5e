#include "mcu_hooks.h"

#include <stddef.h>

#include "hal.h"
#include "hal_section.h"
#include "mcu_model.h"

static MCU_HARNESS_DATA mcu_hooks table;

void mcu_layer_hook(uint16_t layer, const void *output, uint32_t bytes) {
    const uint64_t now = hal_ticks();
    mcu_hooks *const h = &table;
    if (mcu_measure.hooks == NULL) {
        mcu_measure.hooks = h;
        h->last = mcu_measure.start;
        h->inside = 0u;
        h->count = 0u;
    }
    if (layer < MCU_MAX_LAYERS) {
        const uint64_t spent = now - h->last;
        if (layer >= h->count) {
            h->ticks[layer] = spent;
            h->count = layer + 1u;
        } else { /* a layer of a fused segment, which runs once per tile */
            h->ticks[layer] += spent > mcu_measure.overhead ? spent - mcu_measure.overhead : 0u;
        }
    }
    if (layer == mcu_measure.layer) {
        mcu_measure.layer = MCU_NO_LAYER;
        mcu_measure.take((const uint8_t *)output, bytes);
    }
    h->last = hal_ticks();
    h->inside += h->last - now;
}
