/* h5_options.h - the options of HDF5 outputs, checked together. */
#ifndef MP_CLI_H5_OPTIONS_H
#define MP_CLI_H5_OPTIONS_H

#include "plan/spec.h"

/* The format is settled. MP_USAGE: an option of HDF5 for another output, HDF5 on standard output, a
 * path that can be no place in a file, a level that there is not. */
MP_MUST_CHECK mp_status mp_check_h5_output(const mp_output_spec *o, mp_error *err);

#endif
