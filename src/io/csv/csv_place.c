/* csv_place.c - see csv_place.h. */
#include "io/csv/csv_place.h"

#include "io/csv/csv_record.h"

/* Look on for the first record start, from state p->exit at p->at. */
static void find_first(mp_csv_place *p) {
    size_t n = mp_csv_place_in_split(p);
    int64_t first =
        mp_csv_find_record(p->dialect, p->text.bytes + p->at, n - p->at, p->exit, &p->exit);
    p->found = first >= 0;
    p->at = p->found ? p->at + (size_t)first : n;
}

mp_status mp_csv_place_begin(mp_csv_place *p, const mp_csv_dialect *dialect,
                             const mp_csv_text *text, mp_error *err) {
    if ((int)text->entry < 0 || text->entry >= MP_CSV_STATES)
        return mp_error_set(err, MP_FAILED, NULL, "no such state of a text: %d", (int)text->entry);
    *p = (mp_csv_place){
        .dialect = dialect, .text = *text, .n_records = text->first_record, .exit = text->entry};
    find_first(p);
    return MP_OK;
}

mp_status mp_csv_place_extend(mp_csv_place *p, const uint8_t *bytes, size_t len, bool at_eof,
                              mp_error *err) {
    if (len < p->text.len)
        return mp_error_set(err, MP_FAILED, NULL,
                            "a split's text was extended from %zu to %zu bytes", p->text.len, len);
    p->text.bytes = bytes;
    p->text.len = len;
    p->text.at_eof = at_eof;
    if (!p->found) find_first(p);
    return MP_OK;
}
