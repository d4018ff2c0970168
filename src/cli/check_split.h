/* check_split.h - the options of split and merge checked against each other. */
#ifndef MP_CLI_CHECK_SPLIT_H
#define MP_CLI_CHECK_SPLIT_H

#include "cli/commands.h"

/* As mp_command.check: of commands that read tables, of those with an answer (both in
 * command_table.c), of split and of merge. */
mp_status mp_check_input(mp_invocation *inv, mp_error *err);
mp_status mp_check_query(mp_invocation *inv, mp_error *err);
mp_status mp_check_split(mp_invocation *inv, mp_error *err);
mp_status mp_check_merge(mp_invocation *inv, mp_error *err);

#endif
