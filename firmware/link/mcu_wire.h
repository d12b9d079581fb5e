/* Frames (COBS + CRC-32, ended by 0x00) and the primitive types of messages.  No heap, no copy of what is sent: an
 * answer goes to the line while it is written, through one block of COBS. */
#ifndef MCU_WIRE_H
#define MCU_WIRE_H

#include <stddef.h>
#include <stdint.h>

#include "mcu_crc32.h"

/* Longest request (header and fields) that fits; a build may set it. */
#ifndef MCU_LINK_PAYLOAD
#define MCU_LINK_PAYLOAD 1024u
#endif

#define MCU_CRC_BYTES 4u

/* Receiving: feed byte by byte. */
typedef enum {
    MCU_FRAME_NONE,    /* not complete yet, or empty */
    MCU_FRAME_GOOD,    /* payload and bytes are valid until the next byte is fed */
    MCU_FRAME_DAMAGED, /* broken code or wrong CRC */
    MCU_FRAME_TOO_LONG /* correct, but longer than the buffer; the payload holds its beginning */
} mcu_frame;

typedef struct {
    uint8_t payload[MCU_LINK_PAYLOAD + MCU_CRC_BYTES];
    uint32_t bytes; /* of the payload so far */
    uint32_t crc;
    uint8_t left;     /* bytes until the next code byte */
    uint8_t zero_due; /* the block that ends stands for a zero byte */
    uint8_t started;  /* a byte of this frame has arrived */
} mcu_receiver;

void mcu_receiver_init(mcu_receiver *r);
mcu_frame mcu_receive(mcu_receiver *r, uint8_t byte);

/* Sending. */
typedef struct {
    void (*put)(uint8_t byte);
    uint32_t crc;
    uint8_t fill;       /* bytes in the block */
    uint8_t block[254]; /* the bytes since the last zero */
} mcu_writer;

void mcu_writer_begin(mcu_writer *w, void (*put)(uint8_t byte));
void mcu_writer_end(mcu_writer *w);

void mcu_put_bytes(mcu_writer *w, const uint8_t *data, uint32_t bytes);
void mcu_put_u8(mcu_writer *w, uint8_t value);
void mcu_put_u16(mcu_writer *w, uint16_t value);
void mcu_put_u32(mcu_writer *w, uint32_t value);
void mcu_put_u64(mcu_writer *w, uint64_t value);
void mcu_put_i32(mcu_writer *w, int32_t value);
void mcu_put_f32(mcu_writer *w, float value);
void mcu_put_str(mcu_writer *w, const char *text); /* cut after 255 bytes */
void mcu_put_u32s(mcu_writer *w, const uint32_t *values, uint32_t count);
void mcu_put_u64s(mcu_writer *w, const uint64_t *values, uint32_t count);

/* Reading the fields of a request.  A read beyond the end gives zero and marks the reader as failed. */
typedef struct {
    const uint8_t *at, *end;
    uint8_t failed;
} mcu_reader;

uint8_t mcu_get_u8(mcu_reader *r);
uint16_t mcu_get_u16(mcu_reader *r);
uint32_t mcu_get_u32(mcu_reader *r);
uint64_t mcu_get_u64(mcu_reader *r);
int32_t mcu_get_i32(mcu_reader *r);
float mcu_get_f32(mcu_reader *r);
const char *mcu_get_str(mcu_reader *r, uint8_t *length); /* not terminated */
/* What is left, in elements of element_bytes; they are not aligned: read them with a reader of their own. */
const uint8_t *mcu_get_rest(mcu_reader *r, uint32_t element_bytes, uint32_t *count);
int mcu_reader_done(const mcu_reader *r); /* 1 = all was read and nothing is left */

#endif
