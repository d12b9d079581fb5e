#include "mcu_wire.h"

#include <string.h>

/* The CRC of any data followed by its own CRC. */
#define CRC_RESIDUE 0x2144DF1Cu

static void receiver_restart(mcu_receiver *r) {
    r->bytes = 0u;
    r->crc = 0u;
    r->left = 0u;
    r->zero_due = 0u;
    r->started = 0u;
}

void mcu_receiver_init(mcu_receiver *r) {
    receiver_restart(r);
}

/* Counts every byte, keeps those that fit. */
static void receiver_add(mcu_receiver *r, uint8_t byte) {
    if (r->bytes < sizeof r->payload) r->payload[r->bytes] = byte;
    if (r->bytes != UINT32_MAX) r->bytes++;
    r->crc = mcu_crc32(r->crc, &byte, 1u);
}

static mcu_frame receiver_end(mcu_receiver *r) {
    const uint32_t bytes = r->bytes;
    const int whole = r->started && r->left == 0u && bytes >= MCU_CRC_BYTES && r->crc == CRC_RESIDUE;
    const int empty = !r->started;
    receiver_restart(r);
    if (empty) return MCU_FRAME_NONE;
    if (!whole) return MCU_FRAME_DAMAGED;
    if (bytes > sizeof r->payload) {
        r->bytes = MCU_LINK_PAYLOAD;
        return MCU_FRAME_TOO_LONG;
    }
    r->bytes = bytes - MCU_CRC_BYTES;
    return MCU_FRAME_GOOD;
}

mcu_frame mcu_receive(mcu_receiver *r, uint8_t byte) {
    if (byte == 0u) return receiver_end(r);
    if (!r->started) {
        receiver_restart(r); /* the payload of the frame before was kept until now */
        r->started = 1u;
        r->left = (uint8_t)(byte - 1u);
        r->zero_due = byte != 0xFFu;
    } else if (r->left == 0u) {
        if (r->zero_due) receiver_add(r, 0u);
        r->left = (uint8_t)(byte - 1u);
        r->zero_due = byte != 0xFFu;
    } else {
        receiver_add(r, byte);
        r->left--;
    }
    return MCU_FRAME_NONE;
}

static void writer_block(mcu_writer *w) {
    w->put((uint8_t)(w->fill + 1u));
    for (uint32_t i = 0; i < w->fill; i++) w->put(w->block[i]);
    w->fill = 0u;
}

static void writer_byte(mcu_writer *w, uint8_t byte) {
    /* A full block stands for no zero; it is sent when the next byte shows that the frame goes on. */
    if (w->fill == sizeof w->block) writer_block(w);
    if (byte == 0u) {
        writer_block(w);
    } else {
        w->block[w->fill++] = byte;
    }
}

void mcu_writer_begin(mcu_writer *w, void (*put)(uint8_t byte)) {
    w->put = put;
    w->crc = 0u;
    w->fill = 0u;
}

void mcu_writer_end(mcu_writer *w) {
    const uint32_t crc = w->crc;
    for (uint32_t shift = 0u; shift < 32u; shift += 8u) writer_byte(w, (uint8_t)(crc >> shift));
    writer_block(w);
    w->put(0u);
}

void mcu_put_bytes(mcu_writer *w, const uint8_t *data, uint32_t bytes) {
    w->crc = mcu_crc32(w->crc, data, bytes);
    for (uint32_t i = 0; i < bytes; i++) writer_byte(w, data[i]);
}

static void put_number(mcu_writer *w, uint64_t value, uint32_t bytes) {
    uint8_t raw[8];
    for (uint32_t i = 0; i < bytes; i++) raw[i] = (uint8_t)(value >> (8u * i));
    mcu_put_bytes(w, raw, bytes);
}

void mcu_put_u8(mcu_writer *w, uint8_t value) {
    put_number(w, value, 1u);
}

void mcu_put_u16(mcu_writer *w, uint16_t value) {
    put_number(w, value, 2u);
}

void mcu_put_u32(mcu_writer *w, uint32_t value) {
    put_number(w, value, 4u);
}

void mcu_put_u64(mcu_writer *w, uint64_t value) {
    put_number(w, value, 8u);
}

void mcu_put_i32(mcu_writer *w, int32_t value) {
    put_number(w, (uint32_t)value, 4u);
}

void mcu_put_f32(mcu_writer *w, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    put_number(w, bits, 4u);
}

void mcu_put_str(mcu_writer *w, const char *text) {
    uint8_t length = 0u;
    while (length < 255u && text[length] != '\0') length++;
    /* Never half a character: UTF-8 continues with 10xxxxxx. */
    if (length == 255u && ((uint8_t)text[length] & 0xC0u) == 0x80u) {
        while (length > 0u && ((uint8_t)text[length] & 0xC0u) == 0x80u) length--;
    }
    mcu_put_u8(w, length);
    mcu_put_bytes(w, (const uint8_t *)text, length);
}

void mcu_put_u32s(mcu_writer *w, const uint32_t *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) mcu_put_u32(w, values[i]);
}

void mcu_put_u64s(mcu_writer *w, const uint64_t *values, uint32_t count) {
    for (uint32_t i = 0; i < count; i++) mcu_put_u64(w, values[i]);
}

static uint64_t get_number(mcu_reader *r, uint32_t bytes) {
    uint64_t value = 0u;
    if ((size_t)(r->end - r->at) < bytes) {
        r->failed = 1u;
        r->at = r->end;
        return 0u;
    }
    for (uint32_t i = 0; i < bytes; i++) value |= (uint64_t)r->at[i] << (8u * i);
    r->at += bytes;
    return value;
}

uint8_t mcu_get_u8(mcu_reader *r) {
    return (uint8_t)get_number(r, 1u);
}

uint16_t mcu_get_u16(mcu_reader *r) {
    return (uint16_t)get_number(r, 2u);
}

uint32_t mcu_get_u32(mcu_reader *r) {
    return (uint32_t)get_number(r, 4u);
}

uint64_t mcu_get_u64(mcu_reader *r) {
    return get_number(r, 8u);
}

int32_t mcu_get_i32(mcu_reader *r) {
    const uint32_t bits = mcu_get_u32(r);
    int32_t value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

float mcu_get_f32(mcu_reader *r) {
    const uint32_t bits = mcu_get_u32(r);
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

const char *mcu_get_str(mcu_reader *r, uint8_t *length) {
    const uint8_t bytes = mcu_get_u8(r);
    const uint8_t *text = r->at;
    *length = 0u;
    if ((size_t)(r->end - r->at) < bytes) {
        r->failed = 1u;
        r->at = r->end;
        return (const char *)r->at;
    }
    *length = bytes;
    r->at += bytes;
    return (const char *)text;
}

const uint8_t *mcu_get_rest(mcu_reader *r, uint32_t element_bytes, uint32_t *count) {
    const uint8_t *rest = r->at;
    const uint32_t bytes = (uint32_t)(r->end - r->at);
    *count = bytes / element_bytes;
    if (bytes % element_bytes != 0u) r->failed = 1u;
    r->at = r->end;
    return rest;
}

int mcu_reader_done(const mcu_reader *r) {
    return !r->failed && r->at == r->end;
}
