/* info.h - schema, rows and splits of a table that is open already. */
#ifndef MP_RUN_INFO_H
#define MP_RUN_INFO_H

#include "plan/table.h"
#include "run/report.h"

/* Collective. *streams is taken over on rank 0. Text for the user into text on rank 0. objects: of an
 * HDF5 file (lines, or a JSON array), may be empty. */
MP_MUST_CHECK mp_status mp_info_of_table(mp_comm *c, const mp_spec *spec, mp_table *table,
                                         mp_table_stream **streams, bool json,
                                         const mp_buf *objects, mp_mem *mem, mp_buf *text,
                                         mp_report *report, mp_error *err);
/* A text in quotes. */
void mp_info_put_json_text(mp_buf *out, const char *s);

#endif
