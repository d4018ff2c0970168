/* h5_serve.h - the answering side of an inspection. */
#ifndef MP_IO_H5_SERVE_H
#define MP_IO_H5_SERVE_H

#include "io/h5/h5_inspect.h"

/* Appends an mp_error (status MP_OK: none), then the answer. */
void mp_h5_serve(const mp_h5_question *q, mp_buf *answer);

/* The library of this process as mpart uses it: silent, with the plug-ins of the system. */
void mp_h5_library_setup(void);

#endif
