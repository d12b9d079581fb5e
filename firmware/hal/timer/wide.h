/* A wide count from a fine 32-bit counter that wraps and a coarse one that runs from the same clock.
 *
 * The coarse counter alone gives the time to within a few fine wraps' fraction; the fine counter then fixes all bits
 * exactly.  Nothing is kept in RAM and no interrupt is needed, so measured code is not disturbed.  Exact while the two
 * readings are less than 2^31 fine ticks apart. */
#ifndef MCU_HAL_WIDE_H
#define MCU_HAL_WIDE_H

#include <stdint.h>

static inline uint64_t hal_wide_count(uint32_t fine, uint64_t estimate) {
    const int32_t error = (int32_t)(fine - (uint32_t)estimate);
    return estimate + (uint64_t)(int64_t)error;
}

#endif
