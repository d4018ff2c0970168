/* help.c - what `mpart` alone, --help and --version print. */
#include <string.h>

#include "cli/about.h"
#include "cli/commands.h"

static void overview(mp_buf *out) {
    mp_buf_printf(
        out, "mpart splits a dataset, works on every piece in parallel, and merges the answer\n"
             "\n"
             "  mpart query orders.csv --by region --agg 'sum(amount) as total'\n"
             "  mpirun -np 4 mpart query 'logs/*.csv' --where 'status >= 500' -o errors.csv\n"
             "\n"
             "commands:\n");
    for (const mp_command *c = mp_commands(); c->name; c++)
        mp_buf_printf(out, "  %-8s %s\n", c->name, c->summary);
    mp_buf_printf(
        out, "\n"
             "'mpart COMMAND --help' says more; 'mpart --version' what this build is made of\n");
}

static void command_help(const mp_command *c, mp_buf *out) {
    mp_buf_printf(out, "mpart %s - %s\n\nusage: mpart %s %s\n\n%s", c->name, c->summary, c->name,
                  c->usage, c->examples);
    mp_options_help(&c->options, out);
}

void mp_command_answer(const mp_invocation *inv, mp_buf *out) {
    switch (inv->ask) {
    case MP_ASK_OVERVIEW:
        overview(out);
        break;
    case MP_ASK_HELP:
        command_help(inv->command, out);
        break;
    case MP_ASK_VERSION:
        mp_version_text(out);
        break;
    case MP_ASK_RUN:
        break;
    }
}
