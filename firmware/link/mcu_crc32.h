/* The CRC-32 of zlib and Ethernet: of frames on the wire and of images in flash. */
#ifndef MCU_CRC32_H
#define MCU_CRC32_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Over pieces: start with 0. */
uint32_t mcu_crc32(uint32_t crc, const uint8_t *data, size_t bytes);

#ifdef __cplusplus
}
#endif

#endif
