/* h5_tree.h - the listing of a file's objects, inside the inspector. */
#ifndef MP_IO_H5_TREE_H
#define MP_IO_H5_TREE_H

#include "io/h5/h5_in.h"

void mp_h5_tree_put(mp_h5_in *in, const mp_h5_list *nodes, mp_buf *out);

#endif
