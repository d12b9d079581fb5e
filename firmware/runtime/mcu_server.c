#include "mcu_server.h"

#include <stddef.h>
#include <string.h>

#include "hal.h"
#include "hal_section.h"
#include "mcu_hooks.h"
#include "mcu_messages.h"

#define CALIBRATION_RUNS 4u

/* All static RAM of the server; not initialised by the start-up code. */
static MCU_HARNESS_DATA struct {
    const mcu_model *model;
    mcu_receiver receiver;
    mcu_writer writer;
    mcu_request request;
    uint64_t request_start;
    uint32_t next_row; /* of an input that is pushed as it comes */
    uint8_t *bulk;     /* memory for bulk data */
    uint32_t bulk_bytes;
    uint32_t frames, errors, inferences;
    uint32_t tick_overhead; /* ticks of an empty segment */
    const uint8_t *rows;    /* a whole input in bulk memory that is pushed row by row, or NULL */
    uint8_t answered;       /* the request has its answer */
    uint8_t exit_wanted, exit_status;
    uint8_t guard_broken; /* a guard byte had changed at some time; a reset repairs the bytes and not this */
} server;

MCU_HARNESS_DATA mcu_measure_state mcu_measure;

/* -- answers ------------------------------------------------------------------------------------------------------- */

static mcu_writer *begin_code(uint8_t code) {
    const mcu_answer answer = {code, server.request.id};
    server.answered = 1u;
    mcu_writer_begin(&server.writer, hal_putc);
    mcu_answer_write(&server.writer, &answer);
    return &server.writer;
}

static mcu_writer *begin(void) {
    return begin_code((uint8_t)(server.request.code | MCU_ANSWER));
}

static void end(void) {
    mcu_writer_end(&server.writer);
}

static void error(mcu_reason reason, const char *text) {
    const mcu_error_answer answer = {(uint8_t)reason, text};
    server.errors++;
    mcu_error_answer_write(begin_code((uint8_t)(MCU_MSG_ERROR | MCU_ANSWER)), &answer);
    end();
}

static void done(void) {
    (void)begin();
    end();
}

/* -- helpers ------------------------------------------------------------------------------------------------------- */

/* 1 where [offset, offset + length) lies in size bytes; without overflow. */
static int inside(uint32_t offset, uint32_t length, uint32_t size) {
    return offset <= size && length <= size - offset;
}

static int late(void) {
    const uint64_t limit = (uint64_t)server.request.deadline_ms * MCU_TICKS_PER_MS;
    return limit != 0u && hal_ticks() - server.request_start > limit;
}

static void check_guard(void) {
    if (server.model->guard_ok != NULL && !server.model->guard_ok()) server.guard_broken = 1u;
}

static void reset_network(void) {
    check_guard();
    server.model->reset();
}

/* Pushes an input that bulk memory has kept row by row; NULL: there is none, or its rows were pushed as they came. */
static void push(const uint8_t *rows) {
    const mcu_model *m = server.model;
    if (rows != NULL) {
        for (uint32_t i = 0; i < m->rows; i++) (void)m->push_rows(rows + i * m->row_bytes, 1u);
    }
}

/* One inference; adds the ticks of the network and of the measurement itself, which HELLO tells.  rows: see push(). */
static int infer(uint64_t *ticks, const uint8_t *rows) {
    const mcu_model *m = server.model;
    mcu_measure.hooks = NULL;
    const uint64_t start = hal_ticks();
    mcu_measure.start = start;
    push(rows);
    const int status = m->invoke();
    *ticks += hal_ticks() - start;
    if (mcu_measure.hooks != NULL) *ticks -= mcu_measure.hooks->inside;
    server.inferences++;
    return status;
}

/* What an empty segment costs: the smallest of a few, in the form that infer() measures. */
static int nothing(void) {
    return 0;
}

static void calibrate(void) {
    int (*volatile call)(void) = nothing;
    server.tick_overhead = UINT32_MAX;
    for (uint32_t i = 0; i < CALIBRATION_RUNS; i++) {
        const uint64_t start = hal_ticks();
        mcu_measure.start = start;
        (void)call();
        const uint64_t spent = hal_ticks() - start;
        if (spent < server.tick_overhead) server.tick_overhead = (uint32_t)spent;
    }
    mcu_measure.overhead = server.tick_overhead;
}

static void trace_answer(const uint8_t *output, uint32_t bytes) {
    const mcu_trace_layer_answer answer = {output, bytes};
    mcu_trace_layer_answer_write(begin(), &answer);
    end();
}

/* -- messages ------------------------------------------------------------------------------------------------------ */

static void hello(void) {
    const mcu_model *m = server.model;
    const mcu_hello_answer answer = {
        .protocol = MCU_PROTOCOL_VERSION,
        .max_payload = MCU_LINK_PAYLOAD,
        .network = m->name,
        .model_hash = m->model_hash,
        .tool_version = m->tool_version,
        .arena_bytes = m->arena_bytes,
        .layers = m->layers,
        .inputs = (uint16_t)m->num_inputs,
        .outputs = (uint16_t)m->num_outputs,
        .tick_kind = MCU_TICK_KIND,
        .ticks_per_ms = MCU_TICKS_PER_MS,
        .tick_overhead = server.tick_overhead,
        .harness_base = (uint64_t)(uintptr_t)server.bulk,
        .harness_bytes = server.bulk_bytes,
        .stack_reserved = hal_stack_reserved(),
    };
    mcu_hello_answer_write(begin(), &answer);
    end();
}

/* 1 for an input that is pushed row by row. */
static int streamed(uint32_t input) {
    return server.model->push_rows != NULL && server.model->input(input) == NULL;
}

/* The tensors of one direction of TENSOR_INFO, and how many there are. */
static const mcu_tensor_info *tensors(uint8_t direction, uint32_t *count) {
    const mcu_model *m = server.model;
    switch (direction) {
    case 0u:
        *count = m->num_inputs;
        return m->inputs;
    case 1u:
        *count = m->num_outputs;
        return m->outputs;
    case 2u:
        *count = m->label_info != NULL ? 1u : 0u;
        return m->label_info;
    case 3u:
        *count = m->num_weights;
        return m->weights_info;
    default:
        *count = 0u;
        return NULL;
    }
}

static void tensor_info(const mcu_tensor_info_request *q) {
    const mcu_model *m = server.model;
    uint32_t count;
    const mcu_tensor_info *t = tensors(q->direction, &count);
    if (q->index >= count) {
        error(MCU_REASON_RANGE, "no such tensor");
        return;
    }
    t += q->index;
    const mcu_tensor_info_answer answer = {
        .name = t->name,
        .dtype = t->dtype,
        .bytes = t->bytes,
        .scale = t->scale,
        .zero_point = t->zero_point,
        .row_bytes = q->direction == 0u && streamed(q->index) ? m->row_bytes : 0u,
        .dims = t->dims,
        .dims_count = t->rank <= MCU_MAX_RANK ? t->rank : MCU_MAX_RANK,
    };
    mcu_tensor_info_answer_write(begin(), &answer);
    end();
}

/* A piece of an input that is never whole in the network's memory: bulk memory keeps it until the inference; a board
 * without takes whole rows, from top to bottom, and computes as they come. */
static void write_rows(const mcu_write_input_request *q) {
    const mcu_model *m = server.model;
    if (server.bulk_bytes >= m->inputs[q->tensor].bytes) {
        server.rows = server.bulk;
        if (q->data_count != 0u) memcpy(server.bulk + q->offset, q->data, q->data_count);
        done();
    } else if (q->offset % m->row_bytes != 0u || q->data_count % m->row_bytes != 0u) {
        error(MCU_REASON_RANGE, "this input takes whole rows");
    } else {
        if (q->offset == 0u) {
            server.next_row = 0u;
            (void)m->invoke(); /* drops rows of an inference that was given up */
        }
        if (q->offset / m->row_bytes != server.next_row) {
            error(MCU_REASON_RANGE, "rows must come in order");
            return;
        }
        server.next_row += q->data_count / m->row_bytes;
        (void)m->push_rows(q->data, q->data_count / m->row_bytes);
        done();
    }
}

static void write_input(const mcu_write_input_request *q) {
    const mcu_model *m = server.model;
    if (q->tensor >= m->num_inputs) {
        error(MCU_REASON_RANGE, "no such input");
    } else if (!inside(q->offset, q->data_count, m->inputs[q->tensor].bytes)) {
        error(MCU_REASON_RANGE, "beyond the end of the input");
    } else if (streamed(q->tensor)) {
        write_rows(q);
    } else {
        if (q->data_count != 0u) memcpy((uint8_t *)m->input(q->tensor) + q->offset, q->data, q->data_count);
        done();
    }
}

static void infer_once(void) {
    mcu_infer_answer answer = {0, 0u};
    answer.status = infer(&answer.ticks, server.rows);
    mcu_infer_answer_write(begin(), &answer);
    end();
}

static void read_output(const mcu_read_output_request *q) {
    const mcu_model *m = server.model;
    if (q->tensor >= m->num_outputs) {
        error(MCU_REASON_RANGE, "no such output");
    } else if (!inside(q->offset, q->length, m->outputs[q->tensor].bytes)) {
        error(MCU_REASON_RANGE, "beyond the end of the output");
    } else {
        const mcu_read_output_answer answer = {(const uint8_t *)m->output(q->tensor) + q->offset, q->length};
        mcu_read_output_answer_write(begin(), &answer);
        end();
    }
}

static void train_step(const mcu_train_step_request *q) {
    const mcu_model *m = server.model;
    mcu_train_step_answer answer = {0, 0.0f, 0u};
    if (m->train_step == NULL) {
        error(MCU_REASON_UNAVAILABLE, "this network was generated without training");
        return;
    }
    if (q->label_count != m->label_info->bytes) {
        error(MCU_REASON_RANGE, "the label has another size");
        return;
    }
    memcpy(m->label(), q->label, q->label_count);
    mcu_measure.hooks = NULL;
    const uint64_t start = hal_ticks();
    mcu_measure.start = start;
    push(server.rows);
    answer.skipped = m->train_step(NULL, NULL, &answer.loss);
    answer.ticks = hal_ticks() - start;
    if (mcu_measure.hooks != NULL) answer.ticks -= mcu_measure.hooks->inside;
    mcu_train_step_answer_write(begin(), &answer);
    end();
}

static void learning_rate(const mcu_learning_rate_request *q) {
    if (server.model->set_learning_rate == NULL) {
        error(MCU_REASON_UNAVAILABLE, "this network was generated without training");
        return;
    }
    server.model->set_learning_rate(q->rate);
    done();
}

static void freeze(const mcu_freeze_request *q) {
    if (q->tensor >= server.model->num_weights) {
        error(MCU_REASON_RANGE, "no such tensor");
        return;
    }
    server.model->freeze(q->tensor, q->frozen != 0u);
    done();
}

static void read_weights(const mcu_read_weights_request *q) {
    const mcu_model *m = server.model;
    if (q->tensor >= m->num_weights) {
        error(MCU_REASON_RANGE, "no such tensor");
    } else if (!inside(q->offset, q->length, m->weights_info[q->tensor].bytes)) {
        error(MCU_REASON_RANGE, "beyond the end of the tensor");
    } else {
        const mcu_read_weights_answer answer = {(const uint8_t *)m->weights(q->tensor) + q->offset, q->length};
        mcu_read_weights_answer_write(begin(), &answer);
        end();
    }
}

/* NULL, and the request is answered, where the network does not train. */
static const mcu_model_store *weight_store(void) {
    if (server.model->store == NULL) error(MCU_REASON_UNAVAILABLE, "this network was generated without training");
    return server.model->store;
}

static void save_weights(void) {
    const mcu_model_store *s = weight_store();
    if (s == NULL) return;
    const mcu_save_weights_answer answer = {s->save(), s->bytes, s->room()};
    mcu_save_weights_answer_write(begin(), &answer);
    end();
}

static void load_weights(void) {
    const mcu_model_store *s = weight_store();
    if (s == NULL) return;
    const mcu_load_weights_answer answer = {s->load()};
    mcu_load_weights_answer_write(begin(), &answer);
    end();
}

static void forget_weights(void) {
    const mcu_model_store *s = weight_store();
    if (s == NULL) return;
    const mcu_forget_weights_answer answer = {s->forget()};
    mcu_forget_weights_answer_write(begin(), &answer);
    end();
}

static void stats(void) {
    const mcu_model *m = server.model;
    check_guard();
    const mcu_stats_answer answer = {
        .stack_used = hal_stack_used(),
        .stack_reserved = hal_stack_reserved(),
        .guard = (uint8_t)(m->guard_ok == NULL ? 2 : !server.guard_broken),
        .frames = server.frames,
        .errors = server.errors,
        .inferences = server.inferences,
    };
    mcu_stats_answer_write(begin(), &answer);
    end();
}

static uint64_t total_bytes(const mcu_tensor_info *tensors, uint32_t count) {
    uint64_t bytes = 0u;
    for (uint32_t i = 0; i < count; i++) bytes += tensors[i].bytes;
    return bytes;
}

/* 1 where count items of bytes each, from offset on, lie in the bulk memory. */
static int fits_bulk(uint32_t offset, uint64_t bytes, uint32_t count) {
    return offset <= server.bulk_bytes && (count == 0u || bytes <= (server.bulk_bytes - offset) / count);
}

static void infer_bulk(const mcu_infer_bulk_request *q) {
    const mcu_model *m = server.model;
    mcu_infer_bulk_answer answer = {0u, 0, 0u};
    if (server.bulk_bytes == 0u) {
        error(MCU_REASON_UNAVAILABLE, "this board has no bulk memory");
        return;
    }
    if (!fits_bulk(q->input_offset, total_bytes(m->inputs, m->num_inputs), q->count) ||
        !fits_bulk(q->output_offset, total_bytes(m->outputs, m->num_outputs), q->count)) {
        error(MCU_REASON_RANGE, "the samples do not fit into the bulk memory");
        return;
    }
    const uint8_t *from = server.bulk + q->input_offset;
    uint8_t *to = server.bulk + q->output_offset;
    while (answer.done < q->count && answer.status == 0) {
        if (late()) {
            error(MCU_REASON_DEADLINE, "the deadline passed between two samples");
            return;
        }
        if (q->reset_each != 0u) reset_network();
        const uint8_t *rows = NULL;
        for (uint32_t i = 0; i < m->num_inputs; i++) {
            if (streamed(i)) {
                rows = from;
            } else {
                memcpy(m->input(i), from, m->inputs[i].bytes);
            }
            from += m->inputs[i].bytes;
        }
        answer.status = infer(&answer.ticks, rows);
        if (answer.status != 0) break;
        for (uint32_t i = 0; i < m->num_outputs; i++) {
            memcpy(to, m->output(i), m->outputs[i].bytes);
            to += m->outputs[i].bytes;
        }
        answer.done++;
    }
    mcu_infer_bulk_answer_write(begin(), &answer);
    end();
}

static void read_memory(const mcu_read_memory_request *q) {
    if (server.bulk_bytes == 0u) {
        error(MCU_REASON_UNAVAILABLE, "this board has no bulk memory");
    } else if (!inside(q->offset, q->length, server.bulk_bytes)) {
        error(MCU_REASON_RANGE, "outside the bulk memory");
    } else {
        const mcu_read_memory_answer answer = {server.bulk + q->offset, q->length};
        mcu_read_memory_answer_write(begin(), &answer);
        end();
    }
}

static void write_memory(const mcu_write_memory_request *q) {
    if (server.bulk_bytes == 0u) {
        error(MCU_REASON_UNAVAILABLE, "this board has no bulk memory");
    } else if (!inside(q->offset, q->data_count, server.bulk_bytes)) {
        error(MCU_REASON_RANGE, "outside the bulk memory");
    } else {
        if (q->data_count != 0u) memcpy(server.bulk + q->offset, q->data, q->data_count);
        done();
    }
}

static void profile(const mcu_profile_request *q) {
    const mcu_hooks *h = mcu_measure.hooks;
    if (h == NULL) {
        error(MCU_REASON_UNAVAILABLE, "no layer was recorded: built without hooks, or no inference since the start");
    } else if (q->first > h->count) {
        error(MCU_REASON_RANGE, "no such layer");
    } else {
        const mcu_profile_answer answer = {h->ticks + q->first, h->count - q->first};
        mcu_profile_answer_write(begin(), &answer);
        end();
    }
}

static void trace_layer(const mcu_trace_layer_request *q) {
    uint64_t ticks = 0u;
    mcu_measure.layer = q->layer;
    mcu_measure.take = trace_answer; /* answers from inside the hook, where the output still exists */
    const int status = infer(&ticks, server.rows);
    mcu_measure.layer = MCU_NO_LAYER;
    if (server.answered) return;
    if (mcu_measure.hooks == NULL) {
        error(MCU_REASON_UNAVAILABLE, "built without hooks");
    } else if (status != 0) {
        error(MCU_REASON_FAILED, "the network returned an error before this layer");
    } else {
        error(MCU_REASON_RANGE, "no such layer");
    }
}

/* -- the loop ------------------------------------------------------------------------------------------------------ */

#define WITH_REQUEST(message, call)                                                                                    \
    do {                                                                                                               \
        mcu_##message##_request fields;                                                                                \
        if (mcu_##message##_request_read(r, &fields)) {                                                                \
            call(&fields);                                                                                             \
        } else {                                                                                                       \
            error(MCU_REASON_LENGTH, "the message has another length");                                                \
        }                                                                                                              \
    } while (0)

#define WITHOUT_REQUEST(call)                                                                                          \
    do {                                                                                                               \
        if (mcu_reader_done(r)) {                                                                                      \
            call();                                                                                                    \
        } else {                                                                                                       \
            error(MCU_REASON_LENGTH, "the message has no fields");                                                     \
        }                                                                                                              \
    } while (0)

static void reset_state(void) {
    reset_network();
    done();
}

static void leave(const mcu_exit_request *q) {
    server.exit_status = q->status;
    server.exit_wanted = 1u;
    done();
}

/* No default: the compiler names a message that has no case. */
static void dispatch(mcu_reader *r) {
    switch ((mcu_message)server.request.code) {
    case MCU_MSG_HELLO:
        WITHOUT_REQUEST(hello);
        return;
    case MCU_MSG_TENSOR_INFO:
        WITH_REQUEST(tensor_info, tensor_info);
        return;
    case MCU_MSG_WRITE_INPUT:
        WITH_REQUEST(write_input, write_input);
        return;
    case MCU_MSG_INFER:
        WITHOUT_REQUEST(infer_once);
        return;
    case MCU_MSG_READ_OUTPUT:
        WITH_REQUEST(read_output, read_output);
        return;
    case MCU_MSG_RESET_STATE:
        WITHOUT_REQUEST(reset_state);
        return;
    case MCU_MSG_STATS:
        WITHOUT_REQUEST(stats);
        return;
    case MCU_MSG_INFER_BULK:
        WITH_REQUEST(infer_bulk, infer_bulk);
        return;
    case MCU_MSG_READ_MEMORY:
        WITH_REQUEST(read_memory, read_memory);
        return;
    case MCU_MSG_WRITE_MEMORY:
        WITH_REQUEST(write_memory, write_memory);
        return;
    case MCU_MSG_PROFILE:
        WITH_REQUEST(profile, profile);
        return;
    case MCU_MSG_TRACE_LAYER:
        WITH_REQUEST(trace_layer, trace_layer);
        return;
    case MCU_MSG_TRAIN_STEP:
        WITH_REQUEST(train_step, train_step);
        return;
    case MCU_MSG_LEARNING_RATE:
        WITH_REQUEST(learning_rate, learning_rate);
        return;
    case MCU_MSG_READ_WEIGHTS:
        WITH_REQUEST(read_weights, read_weights);
        return;
    case MCU_MSG_FREEZE:
        WITH_REQUEST(freeze, freeze);
        return;
    case MCU_MSG_SAVE_WEIGHTS:
        WITHOUT_REQUEST(save_weights);
        return;
    case MCU_MSG_LOAD_WEIGHTS:
        WITHOUT_REQUEST(load_weights);
        return;
    case MCU_MSG_FORGET_WEIGHTS:
        WITHOUT_REQUEST(forget_weights);
        return;
    case MCU_MSG_EXIT:
        WITH_REQUEST(exit, leave);
        return;
    case MCU_MSG_ERROR:
        break;
    }
    error(MCU_REASON_UNKNOWN, "unknown message");
}

static void handle(mcu_frame frame) {
    mcu_reader r = {server.receiver.payload, server.receiver.payload + server.receiver.bytes, 0u};
    server.request.code = 0u;
    server.request.id = 0u;
    server.request.deadline_ms = 0u;
    server.answered = 0u;
    if (frame == MCU_FRAME_DAMAGED) {
        error(MCU_REASON_DAMAGED, "damaged frame");
        return;
    }
    server.frames++;
    if (!mcu_request_read(&r, &server.request)) {
        error(MCU_REASON_LENGTH, "too short for a request");
    } else if (frame == MCU_FRAME_TOO_LONG) {
        error(MCU_REASON_TOO_LONG, "longer than max_payload of HELLO");
    } else {
        server.request_start = hal_ticks();
        dispatch(&r);
    }
}

int mcu_serve(const mcu_model *model) {
    memset(&server, 0, sizeof server);
    memset(&mcu_measure, 0, sizeof mcu_measure);
    mcu_measure.layer = MCU_NO_LAYER;
    server.model = model;
    server.bulk = hal_harness(&server.bulk_bytes);
    mcu_receiver_init(&server.receiver);
    calibrate();
    model->reset();
    if (model->store != NULL) (void)model->store->load(); /* where nothing is stored, the weights of the model stay */
    while (!server.exit_wanted) {
        const int c = hal_getc(0u);
        if (c < 0) continue;
        const mcu_frame frame = mcu_receive(&server.receiver, (uint8_t)c);
        if (frame != MCU_FRAME_NONE) handle(frame);
    }
    return server.exit_status;
}
