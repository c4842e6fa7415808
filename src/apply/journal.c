#include "apply/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "io/run_folder.h"

enum { KEY_SIZE = AE_HASH_TEXT_SIZE - 1, NUMBER_SIZE = 32 };

struct ae_journal {
    char *text;           /* owned; lines end in NUL */
    const char **records; /* [count], owned, by their keys */
    int64_t count;
};

static void journal_path(char path[AE_PATH_SIZE], const char *out) {
    snprintf(path, AE_PATH_SIZE, "%s/.apply", out);
}

ae_status ae_journal_key(char key[AE_HASH_TEXT_SIZE], const char *run, const ae_input *input) {
    ae_hash *hash;
    ae_status status = ae_hash_create(&hash);
    if (status != AE_OK) return status;
    ae_hash_add_text(hash, run);
    ae_hash_add_text(hash, input->relative);
    ae_hash_add_text(hash, input->name);
    ae_hash_add(hash, &input->bytes, sizeof input->bytes);
    ae_hash_add(hash, &input->mtime_ns, sizeof input->mtime_ns);
    ae_hash_text(hash, key);
    ae_hash_destroy(&hash);
    return AE_OK;
}

/* ---- reading ---- */

static int by_key(const void *a, const void *b) {
    return strncmp(*(const char *const *)a, *(const char *const *)b, KEY_SIZE);
}

/* A record is whole if its line is: a key, and a blank. */
static bool is_record(const char *line) {
    return strspn(line, "0123456789abcdef") == KEY_SIZE && line[KEY_SIZE] == ' ';
}

/* Finds the records in the text; what follows the last newline was cut short. */
static ae_status index_records(ae_journal *journal) {
    int64_t lines = 0;
    for (const char *c = journal->text; *c; ++c) lines += *c == '\n';
    journal->records = malloc((size_t)(lines + 1) * sizeof *journal->records);
    if (!journal->records) return ae_fail_memory("the journal");
    char *line = journal->text;
    for (char *end; (end = strchr(line, '\n')); line = end + 1) {
        *end = '\0';
        if (is_record(line)) journal->records[journal->count++] = line;
    }
    qsort(journal->records, (size_t)journal->count, sizeof *journal->records, by_key);
    return AE_OK;
}

ae_status ae_journal_read(ae_journal **journal, const char *out) {
    char path[AE_PATH_SIZE];
    bool exists;
    void *bytes = NULL;
    size_t size = 0;
    journal_path(path, out);
    *journal = NULL;
    ae_status status = ae_file_exists(&exists, path);
    if (status == AE_OK && exists) status = ae_file_read(path, SIZE_MAX - 1, &bytes, &size);
    if (status != AE_OK) return status;
    ae_journal *made = calloc(1, sizeof *made);
    char *text = realloc(bytes, size + 1);
    if (!made || !text) {
        free(made);
        free(text ? text : bytes);
        return ae_fail_memory("the journal");
    }
    text[size] = '\0';
    made->text = text;
    *journal = made;
    return index_records(made);
}

void ae_journal_destroy(ae_journal **journal) {
    if (!*journal) return;
    free((*journal)->text);
    free((*journal)->records);
    free(*journal);
    *journal = NULL;
}

const char *ae_journal_find(const ae_journal *journal, const char *key) {
    if (journal->count == 0) return NULL;
    const char **found =
        bsearch(&key, journal->records, (size_t)journal->count, sizeof *journal->records, by_key);
    return found ? *found + KEY_SIZE + 1 : NULL;
}

bool ae_journal_next(const char **figures, ae_quality *quality) {
    double *values[] = {&quality->psnr_db, &quality->ssim, &quality->input_psnr_db,
                        &quality->input_ssim};
    for (int v = 0; v < 4; ++v) {
        char *end;
        *values[v] = strtod(*figures, &end);
        if (end == *figures) return false;
        *figures = end;
    }
    return true;
}

/* ---- writing ---- */

/* In one piece, so that records of several ranks don't mix. */
static ae_status append(const char *path, const char *text, size_t size) {
    const int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0666);
    if (fd < 0) return ae_file_fail("write", path, errno);
    const ssize_t written = write(fd, text, size);
    const int error = written < 0 ? errno : ENOSPC;
    if (close(fd) != 0 || written != (ssize_t)size) return ae_file_fail("write", path, error);
    return AE_OK;
}

ae_status ae_journal_add(const char *out, const char *key, const ae_quality *qualities,
                         int64_t pages) {
    char path[AE_PATH_SIZE];
    const size_t room = (size_t)pages * 4 * NUMBER_SIZE + KEY_SIZE + 4;
    char *text = malloc(room);
    if (!text) return ae_fail_memory("the journal");
    size_t size = (size_t)snprintf(text, room, "\n%s ", key);
    for (int64_t p = 0; p < pages; ++p)
        size += (size_t)snprintf(text + size, room - size, "%.17g %.17g %.17g %.17g ",
                                 qualities[p].psnr_db, qualities[p].ssim,
                                 qualities[p].input_psnr_db, qualities[p].input_ssim);
    text[size++] = '\n';
    journal_path(path, out);
    ae_status status = append(path, text, size);
    free(text);
    return status;
}
