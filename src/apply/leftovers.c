#include "apply/leftovers.h"

#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* nftw() hands nothing on to its visitor. */
static struct {
    const char **names; /* [count], in their order */
    size_t count, root; /* bytes of the folder's path and the slash behind it */
} search;

static int by_name(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Where ".tmp.NUMBER" begins that the path ends with; NULL: it doesn't. */
static char *find_mark(char *path) {
    static const char mark[] = ".tmp.";
    char *found = NULL;
    for (char *next = path; (next = strstr(next, mark)); ++next) found = next;
    const char *number = found ? found + sizeof mark - 1 : "";
    return *number && !number[strspn(number, "0123456789")] ? found : NULL;
}

static int visit(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)where;
    char *name = kind == FTW_F ? strdup(path + search.root) : NULL;
    char *mark = name ? find_mark(name) : NULL;
    if (mark) {
        *mark = '\0';
        if (bsearch(&name, search.names, search.count, sizeof *search.names, by_name)) unlink(path);
    }
    free(name);
    return 0;
}

ae_status ae_leftovers_remove(const char *out, const ae_inputs *inputs) {
    enum { FOLDERS_OPEN = 16 };
    search.count = (size_t)inputs->count;
    search.root = strlen(out) + (out[strlen(out) - 1] != '/');
    search.names = malloc(search.count * sizeof *search.names);
    if (!search.names) return ae_fail_memory("the list of pictures");
    for (size_t i = 0; i < search.count; ++i) search.names[i] = inputs->all[i].name;
    qsort(search.names, search.count, sizeof *search.names, by_name);
    nftw(out, visit, FOLDERS_OPEN, FTW_PHYS);
    free(search.names);
    return AE_OK;
}
