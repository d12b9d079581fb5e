/* A plugin of QEMU's translator that counts executed instructions by class.  Arguments: table=FILE (lines "address class
 * amount", hexadecimal and decimal, in the order of the addresses; an address may have several lines), mark=ADDRESS (at
 * every execution of it the counters so far are written), out=FILE.  Class 0 counts taken branches: entries of a block
 * that does not follow the one before.
 *
 * QEMU ships no header with it: what is used of its plugin interface (version 1) is declared here.
 */
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*translated)(plugin_id, struct qemu_plugin_tb *);
typedef void (*executed)(unsigned, void *);
typedef void (*ended)(plugin_id, void *);
void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, translated);
void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, executed, int flags, void *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, executed, int flags, void *);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *, int op, void *, uint64_t);
void qemu_plugin_register_atexit_cb(plugin_id, ended, void *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *);

int qemu_plugin_version = 1;

enum { CLASSES = 32 };
typedef struct {
    uint64_t address, amount;
    unsigned class;
} entry;
typedef struct {
    uint64_t begin, end;
} block;

static entry *table;
static size_t entries;
static uint64_t counters[CLASSES];
static uint64_t mark, expected;
static FILE *out;

static size_t find(uint64_t address) {
    size_t low = 0, high = entries;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (table[middle].address < address) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void entered(unsigned cpu, void *data) {
    const block *b = data;
    (void)cpu;
    counters[0] += b->begin != expected;
    expected = b->end;
}

static void marked(unsigned cpu, void *data) {
    (void)cpu;
    (void)data;
    for (int i = 0; i < CLASSES; i++) {
        fprintf(out, "%" PRIu64 "%c", counters[i], i + 1 < CLASSES ? ' ' : '\n');
    }
}

static void translate(plugin_id id, struct qemu_plugin_tb *tb) {
    const size_t n = qemu_plugin_tb_n_insns(tb);
    block *b = malloc(sizeof *b); /* as long as the emulator runs */
    (void)id;
    if (b == NULL) {
        abort();
    }
    b->begin = qemu_plugin_insn_vaddr(qemu_plugin_tb_get_insn(tb, 0));
    b->end = b->begin;
    qemu_plugin_register_vcpu_tb_exec_cb(tb, entered, 0, b);
    for (size_t i = 0; i < n; i++) {
        struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
        const uint64_t at = qemu_plugin_insn_vaddr(insn);
        b->end = at + qemu_plugin_insn_size(insn);
        if (at == mark) {
            qemu_plugin_register_vcpu_insn_exec_cb(insn, marked, 0, NULL);
        }
        for (size_t e = find(at); e < entries && table[e].address == at; e++) {
            qemu_plugin_register_vcpu_insn_exec_inline(insn, 0, &counters[table[e].class], table[e].amount);
        }
    }
}

static void end(plugin_id id, void *data) {
    (void)id;
    (void)data;
    fclose(out);
}

static void read_table(const char *name) {
    FILE *in = fopen(name, "r");
    size_t room = 0;
    entry e;
    if (in == NULL) {
        abort();
    }
    while (fscanf(in, "%" SCNx64 " %u %" SCNu64, &e.address, &e.class, &e.amount) == 3) {
        if (entries == room) {
            room = 2 * room + 1024;
            table = realloc(table, room * sizeof *table);
            if (table == NULL) {
                abort();
            }
        }
        table[entries++] = e;
    }
    fclose(in);
}

int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv);
int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv) {
    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "table=", 6) == 0) {
            read_table(argv[i] + 6);
        } else if (strncmp(argv[i], "mark=", 5) == 0) {
            mark = strtoull(argv[i] + 5, NULL, 16);
        } else if (strncmp(argv[i], "out=", 4) == 0) {
            out = fopen(argv[i] + 4, "w");
        }
    }
    if (out == NULL) {
        return 1;
    }
    qemu_plugin_register_vcpu_tb_trans_cb(id, translate);
    qemu_plugin_register_atexit_cb(id, end, NULL);
    return 0;
}
