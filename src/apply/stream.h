/* Rows of pictures from and to files of either kind: pictures, and datasets of HDF5 files. Local.
 */
#ifndef AE_APPLY_STREAM_H
#define AE_APPLY_STREAM_H

#include "apply/inputs.h"
#include "picture/picture.h"

/* Reads a file's pages one after the other, from the first row on. */
typedef struct ae_input_file ae_input_file;

/* Opens it at its first page; a dataset's pages are its pictures. channels: of the network. The
 * caller owns *source. AE_ERROR_DATA. */
ae_status ae_input_file_open(ae_input_file **source, const char *path, const char *dataset,
                             const char *axes, int channels);
void ae_input_file_close(ae_input_file **source);

/* Says which pictures a dataset's numbers are taken for, and warns where it may be others that are
 * meant. Of one that can't be opened nothing is said. */
void ae_input_say_dataset(const ae_input *input, const char *axes, int channels);

/* The page that is selected. Borrowed. */
const ae_picture_info *ae_input_file_info(const ae_input_file *source);
ae_status ae_input_file_select(ae_input_file *source, int64_t page);

/* rows[count][width][samples] = the next `count` rows of the page. AE_ERROR_DATA. */
ae_status ae_input_file_read(ae_input_file *source, int count, void *rows);

/* Passes over the next `count` rows; room[rows_of_room][width][samples] is for its use. */
ae_status ae_input_file_pass(ae_input_file *source, int count, void *room, int rows_of_room);

/* Writes a file like that of a source. */
typedef struct ae_output_file ae_output_file;

/* Makes the folders above `path`, where the file will be. The caller owns *sink, and ends it with
 * one of the last two. AE_ERROR_IO; AE_ERROR_USAGE: the format can't hold such pixels. */
ae_status ae_output_file_create(ae_output_file **sink, const char *path,
                                const ae_input_file *source, ae_apply_format format, int quality);

/* Begins the page that is like that which is selected in the source. */
ae_status ae_output_file_begin(ae_output_file *sink, const ae_input_file *source);
ae_status ae_output_file_write(ae_output_file *sink, int count, const void *rows);
ae_status ae_output_file_publish(ae_output_file **sink);
void ae_output_file_discard(ae_output_file **sink);

#endif
