/* Keeps one image (trained weights, and what else a training goes on from) in flash.  Power may fail at any instant:
 * what is loaded afterwards is the image before or the image after, whole, and never changes again by itself.
 *
 * No heap, no static RAM.  docs/training.md says how it works.  These files need mcu_flash.h and mcu_crc32.h only and
 * can be taken into any program. */
#ifndef MCU_STORE_H
#define MCU_STORE_H

#include <stdint.h>

#include "mcu_flash.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MCU_STORE_IDENTITY_BYTES 16u

/* What is kept: the pieces of RAM that make up the image, back to back.  An image with another identity or another size
 * is somebody else's: it is not loaded. */
typedef struct {
    uint8_t identity[MCU_STORE_IDENTITY_BYTES];
    uint32_t pieces;
    void *(*piece)(unsigned index, uint32_t *bytes);
} mcu_image;

enum {
    MCU_STORE_OK = 0,
    MCU_STORE_EMPTY = -1,  /* no image of this identity is stored */
    MCU_STORE_ABSENT = -2, /* there is no flash to store it in */
    MCU_STORE_SIZE = -3,   /* the image is longer than a slot */
    MCU_STORE_FLASH = -4,  /* the flash reported an error */
    MCU_STORE_VERIFY = -5  /* what was read back is not what was written */
};

/* Writes the pieces.  0: they are stored, and a load gives them from now on.  Otherwise a load still gives the image
 * before, or, where the last words of all failed, either.  flash may be NULL in all of these: MCU_STORE_ABSENT. */
int mcu_store_save(const mcu_flash *flash, const mcu_image *image);

/* Fills the pieces with the newest image.  They are touched only when it was found and its CRC is right; on
 * MCU_STORE_VERIFY (the flash read differently a second time) their content is undefined. */
int mcu_store_load(const mcu_flash *flash, const mcu_image *image);

/* Afterwards nothing of this identity is stored.  Power may fail here as well: a load then gives the newest image, or
 * nothing. */
int mcu_store_forget(const mcu_flash *flash, const mcu_image *image);

/* Bytes of the pieces together; the longest image that a slot takes. */
uint32_t mcu_store_bytes(const mcu_image *image);
uint32_t mcu_store_room(const mcu_flash *flash);

#ifdef __cplusplus
}
#endif

#endif
