/* commands.h - the table of commands, and a command line turned into what is to be done.
 * Invariant: the same arguments give the same invocation on every rank; nothing is opened or printed here. */
#ifndef MP_CLI_COMMANDS_H
#define MP_CLI_COMMANDS_H

#include "cli/options.h"
#include "comm/comm.h"
#include "plan/spec.h"
#include "plan/split_plan.h"
#include "run/gen/gen.h"
#include "run/map/map.h"
#include "run/report.h"

typedef struct mp_command mp_command;

typedef enum {
    MP_ASK_RUN,      /* carry the command out */
    MP_ASK_OVERVIEW, /* print what `mpart` alone prints */
    MP_ASK_HELP,     /* print the help of the command */
    MP_ASK_VERSION
} mp_ask;

/* What the command line says. Texts stay in argv, lists in the arena. */
typedef struct {
    mp_ask ask;
    const mp_command *command; /* NULL with OVERVIEW and VERSION */
    mp_operands operands;
    mp_spec spec;    /* query, info; spec.run for all */
    mp_gen_spec gen; /* gen */
    mp_split_spec split;
    bool is_virtual; /* merge */
    bool json;       /* info */
    mp_map_spec map; /* map */
    /* What the options leave here until they are checked together. */
    int input_format;
    int on_bad_row; /* -1: not given */
    struct {
        int n_by, n_range, n_each;
        const char **by, **range, **each;
        int format, packing;
    } split_by;
    bool help, version;
    /* The command line itself, and where what is made of it lives. */
    int argc;
    int command_at; /* place of the command's name */
    const char *const *argv;
    mp_arena *arena;
} mp_invocation;

struct mp_command {
    const char *name;
    const char *summary;  /* one line */
    const char *usage;    /* behind "mpart NAME " */
    const char *examples; /* lines */
    mp_option_set options;
    /* Check the options against each other and fill the spec from the operands. */
    mp_status (*check)(mp_invocation *inv, mp_error *err);
    /* Collective. Text for standard output goes to *out on rank 0. */
    mp_status (*run)(mp_comm *c, const mp_invocation *inv, mp_mem *mem, mp_buf *out,
                     mp_report *report, mp_error *err);
};

/* Ends with a NULL name. */
const mp_command *mp_commands(void);

/* argv[0] is the program. Returns MP_OK, MP_USAGE or MP_NOMEM. */
MP_MUST_CHECK mp_status mp_command_parse(int argc, const char *const *argv, mp_arena *arena,
                                         mp_invocation *inv, mp_error *err);
/* The text that ask wants (OVERVIEW, HELP, VERSION). */
void mp_command_answer(const mp_invocation *inv, mp_buf *out);

#endif
