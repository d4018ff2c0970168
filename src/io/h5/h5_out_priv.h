/* h5_out_priv.h - what the files h5_out_*.c that call the library share.
 * Invariant: an id is -1 or open; whoever made it closes it. */
#ifndef MP_IO_H5_OUT_PRIV_H
#define MP_IO_H5_OUT_PRIV_H

#include <hdf5.h>

#include "io/h5/h5_out.h"

/* MP_IO with what the library says; err may be set already. The library's own messages are taken
 * off its stack. */
mp_status mp_h5_failed(const char *what, const char *name, mp_error *err);

/* h5_out_types.c: types and attributes. Each id is the caller's to close, -1 where it failed. */
hid_t mp_h5_string_type(size_t bytes); /* fixed, padded with NUL; 0: variable */
hid_t mp_h5_set_type(const mp_h5_plan *p, const mp_h5_set *s);
/* A text, or n of them, as an attribute of an object; false: it failed. */
bool mp_h5_put_text(hid_t object, const char *name, const char *text);
bool mp_h5_put_texts(hid_t object, const char *name, const char *const *texts, int n);
/* Attributes of column c's dataset (table: of its field in the compound): units of dates. */
bool mp_h5_put_units(hid_t object, const mp_h5_plan *p, int c, bool table);

#endif
