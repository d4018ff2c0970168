/* command_map.h - the options of `mpart map`; command_table.c lists the command. */
#ifndef MP_CLI_COMMAND_MAP_H
#define MP_CLI_COMMAND_MAP_H

#include "cli/commands.h"

extern const mp_option_group mp_map_group;

/* The name of a text output, and its format if format is -1 or settled (command_table.c). */
MP_MUST_CHECK mp_status mp_check_output_name(const char *path, int *format, mp_error *err);

/* The command line with --resume behind the command's name, as a shell reads it; has: it is there already. In
 * the invocation's arena. MP_NOMEM. */
MP_MUST_CHECK mp_status mp_check_resume_command(mp_invocation *inv, bool has, const char **out,
                                                mp_error *err);

/* Checks the options and fills inv->map from the operands. MP_USAGE. */
MP_MUST_CHECK mp_status mp_command_map_check(mp_invocation *inv, mp_error *err);

#endif
