/* map_result.c - a command's output as a table: where its header ends.
 * Invariant: the header is the first record, quotes and all; its hash leaves out how the line ends. */
#include "base/hash.h"
#include "run/map/map_priv.h"

enum { HEAD_MOST = 1 << 20 };

void mp_map_head_begin(mp_map_job *j) {
    mp_buf_clear(&j->head);
    j->head_done = j->in_quotes = false;
    j->last_byte = '\n';
}

void mp_map_head_take(mp_map_job *j, const uint8_t *bytes, size_t n) {
    if (!j->headed || n == 0) return;
    j->last_byte = bytes[n - 1];
    size_t at = 0;
    for (; !j->head_done && at < n; at++) {
        if (bytes[at] == '"') j->in_quotes = !j->in_quotes;
        j->head_done = bytes[at] == '\n' && !j->in_quotes;
    }
    if (at > 0 && j->head.len <= HEAD_MOST) mp_buf_put(&j->head, bytes, at);
}

bool mp_map_head_end(mp_map_job *j, int64_t len, mp_unit_record *r) {
    size_t n = j->head.len;
    if (!j->headed || len == 0) return true;
    if (n > HEAD_MOST || j->head.failed || j->in_quotes) {
        r->outcome = MP_UNIT_BAD;
        r->bad = MP_BAD_LONG_HEADER;
        return false;
    }
    r->head_len = (int64_t)n;
    while (n > 0 && (j->head.data[n - 1] == '\n' || j->head.data[n - 1] == '\r'))
        n--;
    r->head_hash = mp_hash_bytes(j->head.data, n);
    return true;
}
