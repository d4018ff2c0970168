/* check_split.h - the options of split checked against each other. */
#ifndef MP_CLI_CHECK_SPLIT_H
#define MP_CLI_CHECK_SPLIT_H

#include "cli/commands.h"

/* As mp_command.check: of any command that reads tables (command_table.c), and of split. */
mp_status mp_check_input(mp_invocation *inv, mp_error *err);
mp_status mp_check_split(mp_invocation *inv, mp_error *err);

#endif
