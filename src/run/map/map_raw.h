/* map_raw.h - shards of a text that stands in the file as the command is to get it: rows are handed on as
 * the file's own bytes.
 * Invariant: what is handed on is what reading and formatting the rows would give; where that is not
 * sure, nothing is, and the rows are read. */
#ifndef MP_RUN_MAP_RAW_H
#define MP_RUN_MAP_RAW_H

#include "io/csv/csv_plain.h"
#include "run/feed.h"

typedef struct {
    mp_csv_plain plain;
    mp_map map;
    int file; /* that is mapped, -1 */
    bool on;  /* a split is under way */
    /* the split under way: as it was described, for whoever reads it when its rows are not plain */
    int64_t split;
    const uint8_t *desc;
    size_t len;
    const uint8_t *at, *end; /* the bytes of its records that are left */
    int64_t rows;            /* of it that are behind `at` */
    bool of_file;            /* what was given last are bytes of the file, as they are mapped */
    mp_buf text;             /* rows with another delimiter */
} mp_map_raw;

void mp_map_raw_init(mp_map_raw *r, mp_mem *mem);
void mp_map_raw_release(mp_map_raw *r);

/* Can rows of file f be plain, written as CSV with all their columns? Local, from the table alone. */
bool mp_map_raw_fits(const mp_table *t, int f);

/* A split begins. r->on false: its rows have to be read. desc stays. MP_IO. */
MP_MUST_CHECK mp_status mp_map_raw_begin(mp_map_raw *r, const mp_table *t, int64_t split,
                                         const uint8_t *desc, size_t len, mp_error *err);
/* Its next rows but for the first *skip, *take (-1: all) of them at most, both counted down; the bytes
 * stay until the next call. *n 0: r->on false, and *over: all of the split was given; else the rows from
 * r->rows on have to be read. MP_IO: the file shrank. */
MP_MUST_CHECK mp_status mp_map_raw_next(mp_map_raw *r, const mp_table *t, int64_t *skip,
                                        int64_t *take, const uint8_t **bytes, size_t *n, bool *over,
                                        mp_error *err);

#endif
