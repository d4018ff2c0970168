/* scan_keys.c - see scan_keys.h. */
#include "run/scan_keys.h"

#include "plan/table_keys.h"

enum { MOST_GUESSES = 3 };

static mp_status ignore_rows(void *ctx, int64_t split, const mp_batch *in, mp_error *err) {
    (void)ctx, (void)split, (void)in, (void)err;
    return MP_OK;
}

mp_status mp_scan_find_keys(mp_comm *c, mp_scan *s, mp_feed *feed, mp_table *table, mp_arena *arena,
                            mp_mem *mem, mp_error *err) {
    mp_scan_plan plan = {.lists_keys = true};
    mp_scan_consumer consumer = {.batch = ignore_rows, .most_rows = -1};
    mp_flow_verdict verdict = MP_FLOW_REDO;
    mp_error mine = MP_ERROR_INIT;
    mp_status st = MP_OK;
    for (int i = 0; i < MOST_GUESSES && verdict == MP_FLOW_REDO && !st; i++)
        st = mp_scan_pass(s, &plan, &consumer, NULL, &verdict, err);
    if (!st && verdict == MP_FLOW_REDO)
        st = mp_error_set(err, MP_FAILED, NULL, "%d passes did not find where records start",
                          MOST_GUESSES);
    if (st) return st;
    mp_buf names;
    mp_buf_init(&names, mem);
    if (feed) mp_feed_put_keys(feed, &names);
    st = mp_comm_bcast(c, &names, &mine);
    if (!st) st = mp_buf_check(&names, &mine);
    if (!st) st = mp_table_add_keys(table, names.data, names.len, arena, &mine);
    mp_buf_release(&names);
    return mp_comm_agree_on(c, st, &mine, err);
}
