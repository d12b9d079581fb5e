/* The table of messages.  Rendered from codegen/mcu_gen/link/messages.py; do not edit. */
#ifndef MCU_MESSAGES_H
#define MCU_MESSAGES_H

#include "mcu_wire.h"

#define MCU_PROTOCOL_VERSION 1u
#define MCU_ANSWER           0x80u

typedef enum {
    MCU_MSG_HELLO = 0x01,
    MCU_MSG_TENSOR_INFO = 0x02,
    MCU_MSG_WRITE_INPUT = 0x03,
    MCU_MSG_INFER = 0x04,
    MCU_MSG_READ_OUTPUT = 0x05,
    MCU_MSG_RESET_STATE = 0x06,
    MCU_MSG_STATS = 0x07,
    MCU_MSG_INFER_BULK = 0x08,
    MCU_MSG_READ_MEMORY = 0x09,
    MCU_MSG_WRITE_MEMORY = 0x0A,
    MCU_MSG_PROFILE = 0x0B,
    MCU_MSG_TRACE_LAYER = 0x0C,
    MCU_MSG_TRAIN_STEP = 0x0E,
    MCU_MSG_LEARNING_RATE = 0x0F,
    MCU_MSG_READ_WEIGHTS = 0x10,
    MCU_MSG_FREEZE = 0x11,
    MCU_MSG_SAVE_WEIGHTS = 0x20,
    MCU_MSG_LOAD_WEIGHTS = 0x21,
    MCU_MSG_FORGET_WEIGHTS = 0x22,
    MCU_MSG_EXIT = 0x0D,
    MCU_MSG_ERROR = 0x7F
} mcu_message;

typedef enum {
    MCU_REASON_DAMAGED = 1,
    MCU_REASON_UNKNOWN = 2,
    MCU_REASON_LENGTH = 3,
    MCU_REASON_TOO_LONG = 4,
    MCU_REASON_RANGE = 5,
    MCU_REASON_UNAVAILABLE = 6,
    MCU_REASON_FAILED = 7,
    MCU_REASON_DEADLINE = 8
} mcu_reason;

/* What a tick is. */
enum { MCU_TICK_UNKNOWN = 0, MCU_TICK_INSTRUCTIONS = 1, MCU_TICK_CYCLES = 2, MCU_TICK_NANOSECONDS = 3 };

/* The header of a request, before its fields. */
typedef struct {
    uint8_t code;
    /* chosen by the host, repeated in the answer; 0 is not used */
    uint16_t id;
    /* the device gives up long work after this time; 0 = no limit */
    uint32_t deadline_ms;
} mcu_request;

static inline int mcu_request_read(mcu_reader *r, mcu_request *m) {
    m->code = mcu_get_u8(r);
    m->id = mcu_get_u16(r);
    m->deadline_ms = mcu_get_u32(r);
    return !r->failed;
}

/* The header of an answer, before its fields. */
typedef struct {
    uint8_t code;
    /* of the request; 0 where it could not be read */
    uint16_t id;
} mcu_answer;

static inline void mcu_answer_write(mcu_writer *w, const mcu_answer *m) {
    mcu_put_u8(w, m->code);
    mcu_put_u16(w, m->id);
}

/* HELLO: Who is there? */
typedef struct {
    /* PROTOCOL_VERSION of the device */
    uint16_t protocol;
    /* longest request (header and fields) that the device takes, bytes */
    uint32_t max_payload;
    /* C prefix of the network */
    const char *network;
    /* SHA-256 of the model file */
    const char *model_hash;
    /* of mcu-gen, which generated the firmware */
    const char *tool_version;
    uint32_t arena_bytes;
    /* steps of the plan */
    uint32_t layers;
    uint16_t inputs;
    uint16_t outputs;
    /* MCU_TICK_... */
    uint8_t tick_kind;
    /* 0 where a tick is no time */
    uint32_t ticks_per_ms;
    /* ticks that measuring nothing gives; contained in all ticks */
    uint32_t tick_overhead;
    /* address of the bulk memory */
    uint64_t harness_base;
    /* 0 where there is none */
    uint32_t harness_bytes;
    uint32_t stack_reserved;
} mcu_hello_answer;

static inline void mcu_hello_answer_write(mcu_writer *w, const mcu_hello_answer *m) {
    mcu_put_u16(w, m->protocol);
    mcu_put_u32(w, m->max_payload);
    mcu_put_str(w, m->network);
    mcu_put_str(w, m->model_hash);
    mcu_put_str(w, m->tool_version);
    mcu_put_u32(w, m->arena_bytes);
    mcu_put_u32(w, m->layers);
    mcu_put_u16(w, m->inputs);
    mcu_put_u16(w, m->outputs);
    mcu_put_u8(w, m->tick_kind);
    mcu_put_u32(w, m->ticks_per_ms);
    mcu_put_u32(w, m->tick_overhead);
    mcu_put_u64(w, m->harness_base);
    mcu_put_u32(w, m->harness_bytes);
    mcu_put_u32(w, m->stack_reserved);
}

/* TENSOR_INFO: An input or output of the network, or a tensor of its training step. */
typedef struct {
    /* 0 = input, 1 = output, 2 = label of a training step, 3 = trained weights */
    uint8_t direction;
    uint16_t index;
} mcu_tensor_info_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_tensor_info_request_read(mcu_reader *r, mcu_tensor_info_request *m) {
    m->direction = mcu_get_u8(r);
    m->index = mcu_get_u16(r);
    return mcu_reader_done(r);
}

typedef struct {
    const char *name;
    /* MCU_INT8 ... */
    uint8_t dtype;
    uint32_t bytes;
    /* 0 where the tensor is not quantized per tensor */
    float scale;
    int32_t zero_point;
    /* of an input that is pushed row by row, else 0 */
    uint32_t row_bytes;
    const uint32_t *dims;
    /* elements */
    uint32_t dims_count;
} mcu_tensor_info_answer;

static inline void mcu_tensor_info_answer_write(mcu_writer *w, const mcu_tensor_info_answer *m) {
    mcu_put_str(w, m->name);
    mcu_put_u8(w, m->dtype);
    mcu_put_u32(w, m->bytes);
    mcu_put_f32(w, m->scale);
    mcu_put_i32(w, m->zero_point);
    mcu_put_u32(w, m->row_bytes);
    mcu_put_u32s(w, m->dims, m->dims_count);
}

/* WRITE_INPUT: A piece of an input.  An inference may overwrite it: write it again before each. */
typedef struct {
    uint16_t tensor;
    /* bytes */
    uint32_t offset;
    const uint8_t *data;
    /* elements */
    uint32_t data_count;
} mcu_write_input_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_write_input_request_read(mcu_reader *r, mcu_write_input_request *m) {
    m->tensor = mcu_get_u16(r);
    m->offset = mcu_get_u32(r);
    m->data = mcu_get_rest(r, 1u, &m->data_count);
    return mcu_reader_done(r);
}

/* INFER: One inference. */
typedef struct {
    /* of the network, 0 = ok */
    int32_t status;
    /* of the network alone */
    uint64_t ticks;
} mcu_infer_answer;

static inline void mcu_infer_answer_write(mcu_writer *w, const mcu_infer_answer *m) {
    mcu_put_i32(w, m->status);
    mcu_put_u64(w, m->ticks);
}

/* READ_OUTPUT: A piece of an output. */
typedef struct {
    uint16_t tensor;
    /* bytes */
    uint32_t offset;
    /* bytes */
    uint32_t length;
} mcu_read_output_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_read_output_request_read(mcu_reader *r, mcu_read_output_request *m) {
    m->tensor = mcu_get_u16(r);
    m->offset = mcu_get_u32(r);
    m->length = mcu_get_u32(r);
    return mcu_reader_done(r);
}

typedef struct {
    const uint8_t *data;
    /* elements */
    uint32_t data_count;
} mcu_read_output_answer;

static inline void mcu_read_output_answer_write(mcu_writer *w, const mcu_read_output_answer *m) {
    mcu_put_bytes(w, m->data, m->data_count);
}

/* RESET_STATE: Gives variable tensors their initial values. */
/* STATS: What happened so far. */
typedef struct {
    /* the most so far, bytes */
    uint32_t stack_used;
    uint32_t stack_reserved;
    /* 1 = guard bytes around the arena unchanged, 0 = changed, 2 = built without */
    uint8_t guard;
    /* good frames received */
    uint32_t frames;
    /* ERROR answers sent */
    uint32_t errors;
    uint32_t inferences;
} mcu_stats_answer;

static inline void mcu_stats_answer_write(mcu_writer *w, const mcu_stats_answer *m) {
    mcu_put_u32(w, m->stack_used);
    mcu_put_u32(w, m->stack_reserved);
    mcu_put_u8(w, m->guard);
    mcu_put_u32(w, m->frames);
    mcu_put_u32(w, m->errors);
    mcu_put_u32(w, m->inferences);
}

/* INFER_BULK: Inferences over samples in the bulk memory. */
typedef struct {
    /* in the bulk memory: the samples back to back, each all inputs back to back */
    uint32_t input_offset;
    /* where the outputs go, in the same form */
    uint32_t output_offset;
    /* samples */
    uint32_t count;
    /* 1 = reset the state before each sample */
    uint8_t reset_each;
} mcu_infer_bulk_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_infer_bulk_request_read(mcu_reader *r, mcu_infer_bulk_request *m) {
    m->input_offset = mcu_get_u32(r);
    m->output_offset = mcu_get_u32(r);
    m->count = mcu_get_u32(r);
    m->reset_each = mcu_get_u8(r);
    return mcu_reader_done(r);
}

typedef struct {
    /* samples done; less than asked where the status is not 0 */
    uint32_t done;
    int32_t status;
    /* of all inferences together, without copying; each contains the overhead */
    uint64_t ticks;
} mcu_infer_bulk_answer;

static inline void mcu_infer_bulk_answer_write(mcu_writer *w, const mcu_infer_bulk_answer *m) {
    mcu_put_u32(w, m->done);
    mcu_put_i32(w, m->status);
    mcu_put_u64(w, m->ticks);
}

/* READ_MEMORY: A piece of the bulk memory. */
typedef struct {
    /* in the bulk memory */
    uint32_t offset;
    uint32_t length;
} mcu_read_memory_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_read_memory_request_read(mcu_reader *r, mcu_read_memory_request *m) {
    m->offset = mcu_get_u32(r);
    m->length = mcu_get_u32(r);
    return mcu_reader_done(r);
}

typedef struct {
    const uint8_t *data;
    /* elements */
    uint32_t data_count;
} mcu_read_memory_answer;

static inline void mcu_read_memory_answer_write(mcu_writer *w, const mcu_read_memory_answer *m) {
    mcu_put_bytes(w, m->data, m->data_count);
}

/* WRITE_MEMORY: Fills a piece of the bulk memory. */
typedef struct {
    /* in the bulk memory */
    uint32_t offset;
    const uint8_t *data;
    /* elements */
    uint32_t data_count;
} mcu_write_memory_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_write_memory_request_read(mcu_reader *r, mcu_write_memory_request *m) {
    m->offset = mcu_get_u32(r);
    m->data = mcu_get_rest(r, 1u, &m->data_count);
    return mcu_reader_done(r);
}

/* PROFILE: Ticks of the layers of the last inference from ``first`` on; builds with hooks only. */
typedef struct {
    /* layer */
    uint16_t first;
} mcu_profile_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_profile_request_read(mcu_reader *r, mcu_profile_request *m) {
    m->first = mcu_get_u16(r);
    return mcu_reader_done(r);
}

typedef struct {
    const uint64_t *ticks;
    /* elements */
    uint32_t ticks_count;
} mcu_profile_answer;

static inline void mcu_profile_answer_write(mcu_writer *w, const mcu_profile_answer *m) {
    mcu_put_u64s(w, m->ticks, m->ticks_count);
}

/* TRACE_LAYER: One inference that answers with the output of one layer; builds with hooks only. */
typedef struct {
    uint16_t layer;
} mcu_trace_layer_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_trace_layer_request_read(mcu_reader *r, mcu_trace_layer_request *m) {
    m->layer = mcu_get_u16(r);
    return mcu_reader_done(r);
}

typedef struct {
    /* the layer's output */
    const uint8_t *data;
    /* elements */
    uint32_t data_count;
} mcu_trace_layer_answer;

static inline void mcu_trace_layer_answer_write(mcu_writer *w, const mcu_trace_layer_answer *m) {
    mcu_put_bytes(w, m->data, m->data_count);
}

/* TRAIN_STEP: One training step, forward pass included: READ_OUTPUT then gives the prediction before the update. */
typedef struct {
    /* the whole label; the inputs were written before */
    const uint8_t *label;
    /* elements */
    uint32_t label_count;
} mcu_train_step_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_train_step_request_read(mcu_reader *r, mcu_train_step_request *m) {
    m->label = mcu_get_rest(r, 1u, &m->label_count);
    return mcu_reader_done(r);
}

typedef struct {
    /* updates left out; 0 = all weights were updated, -1 = rows were missing */
    int32_t skipped;
    /* before the update */
    float loss;
    /* of the step alone */
    uint64_t ticks;
} mcu_train_step_answer;

static inline void mcu_train_step_answer_write(mcu_writer *w, const mcu_train_step_answer *m) {
    mcu_put_i32(w, m->skipped);
    mcu_put_f32(w, m->loss);
    mcu_put_u64(w, m->ticks);
}

/* LEARNING_RATE: The learning rate of the steps that follow. */
typedef struct {
    float rate;
} mcu_learning_rate_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_learning_rate_request_read(mcu_reader *r, mcu_learning_rate_request *m) {
    m->rate = mcu_get_f32(r);
    return mcu_reader_done(r);
}

/* READ_WEIGHTS: A piece of a trained tensor. */
typedef struct {
    uint16_t tensor;
    /* bytes */
    uint32_t offset;
    /* bytes */
    uint32_t length;
} mcu_read_weights_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_read_weights_request_read(mcu_reader *r, mcu_read_weights_request *m) {
    m->tensor = mcu_get_u16(r);
    m->offset = mcu_get_u32(r);
    m->length = mcu_get_u32(r);
    return mcu_reader_done(r);
}

typedef struct {
    const uint8_t *data;
    /* elements */
    uint32_t data_count;
} mcu_read_weights_answer;

static inline void mcu_read_weights_answer_write(mcu_writer *w, const mcu_read_weights_answer *m) {
    mcu_put_bytes(w, m->data, m->data_count);
}

/* FREEZE: Freezes a trained tensor, or thaws it; a reset thaws all of them. */
typedef struct {
    uint16_t tensor;
    /* 1 = training steps leave it as it is, 0 = they change it */
    uint8_t frozen;
} mcu_freeze_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_freeze_request_read(mcu_reader *r, mcu_freeze_request *m) {
    m->tensor = mcu_get_u16(r);
    m->frozen = mcu_get_u8(r);
    return mcu_reader_done(r);
}

/* SAVE_WEIGHTS: Stores the trained weights in flash, where they survive a power loss; takes seconds on some boards. */
typedef struct {
    /* 0 = stored, else MCU_STORE_... of mcu_store.h */
    int32_t status;
    /* of the weights and what else a training goes on from */
    uint32_t bytes;
    /* bytes that the flash takes, 0 where there is none */
    uint32_t room;
} mcu_save_weights_answer;

static inline void mcu_save_weights_answer_write(mcu_writer *w, const mcu_save_weights_answer *m) {
    mcu_put_i32(w, m->status);
    mcu_put_u32(w, m->bytes);
    mcu_put_u32(w, m->room);
}

/* LOAD_WEIGHTS: Loads the stored weights, as it happens at every start. */
typedef struct {
    /* 0 = loaded, else MCU_STORE_...; -1 = nothing of this network is stored */
    int32_t status;
} mcu_load_weights_answer;

static inline void mcu_load_weights_answer_write(mcu_writer *w, const mcu_load_weights_answer *m) {
    mcu_put_i32(w, m->status);
}

/* FORGET_WEIGHTS: Forgets the stored weights; those in RAM stay as they are. */
typedef struct {
    /* 0 = nothing is stored any more, else MCU_STORE_... */
    int32_t status;
} mcu_forget_weights_answer;

static inline void mcu_forget_weights_answer_write(mcu_writer *w, const mcu_forget_weights_answer *m) {
    mcu_put_i32(w, m->status);
}

/* EXIT: Ends the program after the answer. */
typedef struct {
    uint8_t status;
} mcu_exit_request;

/* 1 = read, 0 = the fields do not have the right length. */
static inline int mcu_exit_request_read(mcu_reader *r, mcu_exit_request *m) {
    m->status = mcu_get_u8(r);
    return mcu_reader_done(r);
}

/* ERROR: Instead of an answer. */
typedef struct {
    /* MCU_REASON_... */
    uint8_t reason;
    /* for people */
    const char *text;
} mcu_error_answer;

static inline void mcu_error_answer_write(mcu_writer *w, const mcu_error_answer *m) {
    mcu_put_u8(w, m->reason);
    mcu_put_str(w, m->text);
}

#endif
