/* output_json.h - rows as NDJSON; called through output_text. */
#ifndef MP_IO_OUTPUT_JSON_H
#define MP_IO_OUTPUT_JSON_H

#include "io/output/output.h"

/* As mp_text_rows, for MP_FORMAT_NDJSON. */
void mp_json_rows(const mp_text_args *a, const mp_batch *in, mp_buf *out, mp_buf *row_ends);

/* One string in quotes; bytes that are no UTF-8 become U+FFFD. */
void mp_json_put_string(mp_buf *b, const void *p, size_t n);

#endif
