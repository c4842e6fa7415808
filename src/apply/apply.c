/* The command apply: what is to be done, by whom, and what came of it. */
#include "apply/apply.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "apply/journal.h"
#include "apply/leftovers.h"
#include "apply/report.h"
#include "base/file.h"
#include "base/log.h"
#include "base/stop.h"
#include "base/text.h"
#include "base/timer.h"
#include "base/watchdog.h"
#include "comm/placement.h"
#include "io/model_file.h"

enum { DONE_BEFORE = -1, TOGETHER = -2 }; /* in place of a rank */

/* Notes that are said once, of all ranks, and what they count. */
enum {
    NOTE_CHANNELS,
    NOTE_GREY,
    NOTE_RANGE,
    NOTE_TYPE,
    COUNT_DONE,
    COUNT_BROKEN,
    COUNT_PIXELS,
    COUNTS
};

/* All of one run. */
typedef struct command {
    ae_comm *comm;
    ae_apply_options options;
    ae_model_file file;
    ae_model model;
    ae_inputs inputs;
    char (*keys)[AE_HASH_TEXT_SIZE]; /* [inputs.count] */
    int32_t *owner;                  /* [inputs.count]: rank, or what stands in its place */
    ae_workshop shop;
    int64_t counts[COUNTS]; /* this rank's, until they are summed */
    char *broken;           /* messages of this rank's broken pictures, a line each; owned */
    size_t broken_size;
} command;

static bool is_first(const command *c) {
    return ae_comm_rank(c->comm) == 0;
}

/* ---- what is to be done ---- */

/* Side of pictures that networks are tried on: a multiple of any stride. */
enum { TRIED_SIDE = 4096 };

static ae_status open_model(command *c) {
    ae_status status = is_first(c) ? ae_model_file_read(&c->file, c->options.model) : AE_OK;
    status = ae_comm_agree(c->comm, status);
    if (status == AE_OK) status = ae_model_file_share(&c->file, c->comm);
    if (status != AE_OK) return status;
    const ae_shape picture = {c->file.channels, TRIED_SIDE, TRIED_SIDE};
    status =
        ae_model_make(&c->model, c->comm, c->file.layers, c->file.path, picture, c->file.output);
    if (status == AE_OK) ae_model_take(&c->model, c->file.parameters);
    return status;
}

/* The hash of the model and all options that outputs depend on. */
static ae_status hash_run(char text[AE_HASH_TEXT_SIZE], const command *c) {
    const ae_apply_options *o = &c->options;
    char numbers[256];
    ae_hash *hash;
    ae_status status = ae_hash_create(&hash);
    if (status != AE_OK) return status;
    snprintf(numbers, sizeof numbers, "%d %d %d %.17g %.17g %.17g %.17g %.17g %d", (int)o->format,
             o->quality, (int)o->has_range, o->range[0], o->range[1], o->sigma, c->file.range[0],
             c->file.range[1], ae_network_contract(c->model.network));
    ae_hash_add_text(hash, c->file.layers);
    ae_hash_add_text(hash, c->file.output == AE_OUTPUT_RESIDUAL ? "residual" : "direct");
    ae_hash_add_text(hash, c->file.parameters_hash);
    ae_hash_add_text(hash, numbers);
    ae_hash_add_text(hash, o->axes ? o->axes : "");
    ae_hash_add_text(hash, o->reference ? o->reference : "");
    ae_hash_text(hash, text);
    ae_hash_destroy(&hash);
    return AE_OK;
}

static ae_status make_out(const char *out) {
    struct stat info;
    if (mkdir(out, 0777) == 0 ||
        (errno == EEXIST && stat(out, &info) == 0 && S_ISDIR(info.st_mode)))
        return AE_OK;
    return ae_file_fail("make the folder", out, errno);
}

static ae_status output_exists(bool *exists, const command *c, const ae_input *input) {
    char path[AE_PATH_SIZE];
    snprintf(path, sizeof path, "%s/%s", c->options.out, input->name);
    return ae_file_exists(exists, path);
}

/* owner[i] = DONE_BEFORE of inputs that the journal tells and whose output is there, else 0. */
static ae_status find_done(command *c) {
    ae_journal *journal;
    ae_status status = ae_journal_read(&journal, c->options.out);
    for (int64_t i = 0; status == AE_OK && i < c->inputs.count && !c->options.force; ++i) {
        bool exists = false;
        if (ae_journal_find(journal, c->keys[i]))
            status = output_exists(&exists, c, &c->inputs.all[i]);
        if (exists) c->owner[i] = DONE_BEFORE;
    }
    ae_journal_destroy(&journal);
    return status;
}

typedef struct weight {
    int64_t bytes, index;
} weight;

static int heavier_first(const void *a, const void *b) {
    const weight *x = a, *y = b;
    if (x->bytes != y->bytes) return x->bytes < y->bytes ? 1 : -1;
    return x->index < y->index ? -1 : x->index > y->index;
}

static int least_loaded(const double *load, int ranks) {
    int least = 0;
    for (int r = 1; r < ranks; ++r)
        if (load[r] < load[least]) least = r;
    return least;
}

/* What remains goes, the largest first, to the rank that has least of it; but a file of more than a
 * rank's share is done by all together, unless it is compared, and so held whole by one. */
static ae_status share_out(command *c) {
    const int ranks = ae_comm_size(c->comm);
    const bool compares = c->options.sigma > 0 || c->options.reference;
    weight *weights = malloc((size_t)c->inputs.count * sizeof *weights);
    double *load = calloc((size_t)ranks, sizeof *load), total = 0;
    int64_t left = 0;
    for (int64_t i = 0; weights && i < c->inputs.count; ++i) {
        if (c->owner[i] == DONE_BEFORE) continue;
        weights[left++] = (weight){c->inputs.all[i].bytes, i};
        total += (double)c->inputs.all[i].bytes;
    }
    if (weights && load) {
        qsort(weights, (size_t)left, sizeof *weights, heavier_first);
        for (int64_t w = 0; w < left; ++w) {
            const double bytes = (double)weights[w].bytes;
            const bool is_large = ranks > 1 && !compares && bytes * ranks > total;
            const int rank = least_loaded(load, ranks);
            c->owner[weights[w].index] = is_large ? TOGETHER : rank;
            if (!is_large) load[rank] += bytes;
        }
    }
    const bool has_memory = weights && load;
    free(weights);
    free(load);
    return has_memory ? AE_OK : ae_fail_memory("the list of pictures");
}

/* Fills in the keys and owners, on all ranks. Collective. */
static ae_status plan(command *c) {
    char run[AE_HASH_TEXT_SIZE];
    const size_t count = (size_t)c->inputs.count;
    c->keys = calloc(count, sizeof *c->keys);
    c->owner = calloc(count, sizeof *c->owner);
    ae_status status = c->keys && c->owner ? hash_run(run, c) : ae_fail_memory("the pictures");
    for (size_t i = 0; status == AE_OK && i < count; ++i)
        status = ae_journal_key(c->keys[i], run, &c->inputs.all[i]);
    if (status == AE_OK && is_first(c)) {
        status = make_out(c->options.out);
        if (status == AE_OK) status = ae_leftovers_remove(c->options.out, &c->inputs);
        if (status == AE_OK) status = find_done(c);
        if (status == AE_OK) status = share_out(c);
    }
    status = ae_comm_agree(c->comm, status);
    if (status == AE_OK) ae_comm_broadcast(c->comm, c->owner, count * sizeof *c->owner);
    return status;
}

/* ---- one file ---- */

/* What a file is done with. */
typedef struct work {
    ae_input_file *source, *reference;
    ae_output_file *sink;
    ae_quality *qualities; /* [pages] */
    int64_t pages;
} work;

/* Is it black and white of pixels of some type? */
static bool is_types(const double range[2]) {
    return range[0] == 0 && (range[1] == 1 || range[1] == 255 || range[1] == 65535);
}

static void note(command *c, const ae_picture_info *info) {
    c->counts[NOTE_CHANNELS] += info->channels != c->file.channels && c->file.channels == 1;
    c->counts[NOTE_GREY] += info->channels != c->file.channels && info->channels == 1;
    if (c->options.has_range) return;
    c->counts[NOTE_RANGE] += info->type == AE_PICTURE_F32;
    c->counts[NOTE_TYPE] += info->type != AE_PICTURE_F32 && !is_types(c->file.range);
}

/* The reference is a picture or dataset itself, or has the input's name in a folder, or that of the
 * output. */
static ae_status open_reference(command *c, work *w, const ae_input *input) {
    const char *reference = c->options.reference;
    char path[AE_PATH_SIZE];
    struct stat info;
    const size_t length = ae_input_split(reference);
    if (length > 0) {
        snprintf(path, sizeof path, "%.*s", (int)length, reference);
        return ae_input_file_open(&w->reference, path, reference + length + 1, c->options.axes,
                                  c->file.channels);
    }
    const bool is_folder = stat(reference, &info) == 0 && S_ISDIR(info.st_mode);
    snprintf(path, sizeof path, is_folder ? "%s/%s" : "%s", reference, input->relative);
    if (is_folder && stat(path, &info) != 0)
        snprintf(path, sizeof path, "%s/%s", reference, input->name);
    return ae_input_file_open(&w->reference, path, "", c->options.axes, c->file.channels);
}

static ae_status open_work(command *c, work *w, const ae_input *input, bool writes) {
    char path[AE_PATH_SIZE];
    ae_status status = ae_input_file_open(&w->source, input->path, input->dataset, c->options.axes,
                                          c->file.channels);
    if (status == AE_OK && c->options.reference) status = open_reference(c, w, input);
    if (status != AE_OK) return status;
    w->pages = ae_input_file_info(w->source)->pages;
    w->qualities = calloc((size_t)w->pages, sizeof *w->qualities);
    if (!w->qualities) return ae_fail_memory("the figures");
    if (w->reference && ae_input_file_info(w->reference)->pages != w->pages)
        return ae_fail(AE_ERROR_DATA, "%s: its reference has %lld pages, not %lld", input->path,
                       (long long)ae_input_file_info(w->reference)->pages, (long long)w->pages);
    if (!writes) return AE_OK;
    snprintf(path, sizeof path, "%s/%s", c->options.out, input->name);
    return ae_output_file_create(&w->sink, path, w->source, c->options.format, c->options.quality);
}

static void close_work(work *w) {
    ae_input_file_close(&w->source);
    ae_input_file_close(&w->reference);
    ae_output_file_discard(&w->sink);
    free(w->qualities);
}

/* The stream of random numbers of a picture, by its name. */
static ae_stream stream_of(const ae_input *input, int64_t page) {
    char text[AE_HASH_TEXT_SIZE];
    ae_hash_of(input->relative, strlen(input->relative), text);
    text[16] = '\0';
    return (ae_stream){.seed = strtoull(text, NULL, 16),
                       .purpose = AE_RANDOM_APPLY_NOISE,
                       .epoch = (uint32_t)page};
}

/* What messages call a page: of several by its number, from 0 on, as in the report. */
static void name_page(char name[AE_INPUT_LABEL_SIZE + 32], const ae_input *input, int64_t page,
                      int64_t pages) {
    ae_input_label(name, input);
    if (pages > 1) snprintf(name + strlen(name), 32, "[%lld]", (long long)page);
}

static ae_status do_page(command *c, work *w, const ae_input *input, int64_t page, ae_comm *comm) {
    ae_status status = ae_input_file_select(w->source, page);
    if (status == AE_OK && w->reference) status = ae_input_file_select(w->reference, page);
    if (comm) status = ae_comm_agree(comm, status);
    if (status != AE_OK) return status;
    char name[AE_INPUT_LABEL_SIZE + 32];
    name_page(name, input, page, w->pages);
    const ae_page one = {.name = name,
                         .source = w->source,
                         .sink = w->sink,
                         .reference = w->reference,
                         .stream = stream_of(input, page),
                         .comm = comm};
    status = ae_page_apply(&c->shop, &one, &w->qualities[page]);
    ae_watchdog_progress();
    if (status != AE_OK || !w->sink) return status;
    const ae_picture_info *info = ae_input_file_info(w->source);
    c->counts[COUNT_PIXELS] += info->width * info->height;
    if (page == 0) note(c, info);
    return AE_OK;
}

/* Publishes the file, and then tells the journal. */
static ae_status end_work(command *c, work *w, int64_t index) {
    const bool compares = c->options.sigma > 0 || c->options.reference;
    ae_status status = ae_output_file_publish(&w->sink);
    if (status != AE_OK) return status;
    c->counts[COUNT_DONE] += 1;
    return ae_journal_add(c->options.out, c->keys[index], w->qualities, compares ? w->pages : 0);
}

/* Does one file: with `comm` all ranks together, of which rank 0 writes. */
static ae_status do_file(command *c, int64_t index, ae_comm *comm) {
    const ae_input *input = &c->inputs.all[index];
    work w = {0};
    ae_apply_progress_file(&c->shop.progress, (double)input->bytes);
    ae_status status = open_work(c, &w, input, !comm || is_first(c));
    if (comm) status = ae_comm_agree(comm, status);
    for (int64_t page = 0; status == AE_OK && page < w.pages; ++page)
        status = do_page(c, &w, input, page, comm);
    if (status == AE_OK && w.sink) status = end_work(c, &w, index);
    if (comm) status = ae_comm_agree(comm, status);
    close_work(&w);
    return status;
}

/* ---- all files ---- */

/* A picture that can't be done is told and passed over; what else fails ends the run. */
static ae_status pass_over(command *c, ae_status status, bool tells) {
    if (status != AE_ERROR_DATA && status != AE_ERROR_USAGE) return status;
    if (!tells) return AE_OK;
    c->counts[COUNT_BROKEN] += 1;
    if (is_first(c)) {
        ae_warn("%s; left out", ae_message());
        return AE_OK;
    }
    const size_t length = strlen(ae_message()) + 1;
    char *broken = realloc(c->broken, c->broken_size + length);
    if (!broken) return ae_fail_memory("a message");
    memcpy(broken + c->broken_size, ae_message(), length);
    c->broken = broken;
    c->broken_size += length;
    return AE_OK;
}

/* Those of one owner. */
static ae_status do_files(command *c, int32_t owner, ae_comm *comm) {
    ae_status status = AE_OK;
    for (int64_t i = 0; status == AE_OK && i < c->inputs.count; ++i)
        if (c->owner[i] == owner) status = pass_over(c, do_file(c, i, comm), !comm || is_first(c));
    return status;
}

static void begin_progress(command *c) {
    const int32_t rank = ae_comm_rank(c->comm);
    int64_t files = 0;
    double bytes = 0;
    for (int64_t i = 0; i < c->inputs.count; ++i)
        if (c->owner[i] == rank || c->owner[i] == TOGETHER) {
            files += 1;
            bytes += (double)c->inputs.all[i].bytes;
        }
    ae_apply_progress_begin(&c->shop.progress, files, bytes);
}

/* Rank 0 tells of what the others left out. Collective. */
static ae_status tell_broken(command *c) {
    const int64_t longest = -ae_comm_min(c->comm, -(int64_t)c->broken_size);
    const int ranks = ae_comm_size(c->comm);
    if (longest == 0) return AE_OK;
    char *mine = calloc((size_t)longest + 1, 1);
    char *all = is_first(c) ? calloc((size_t)ranks, (size_t)longest + 1) : NULL;
    const bool has_memory = mine && (all || !is_first(c));
    ae_status status = ae_comm_agree(c->comm, has_memory ? AE_OK : ae_fail_memory("the messages"));
    if (status == AE_OK) {
        if (c->broken_size > 0) memcpy(mine, c->broken, c->broken_size);
        ae_comm_gather(c->comm, mine, (size_t)longest + 1, all);
        for (int r = 0; all && r < ranks; ++r)
            for (char *text = all + (size_t)r * (size_t)(longest + 1); *text;
                 text += strlen(text) + 1)
                ae_warn("%s; left out", text);
    }
    free(mine);
    free(all);
    return status;
}

static ae_status do_all(command *c) {
    begin_progress(c);
    ae_status status = do_files(c, TOGETHER, c->comm);
    if (status == AE_OK) status = do_files(c, ae_comm_rank(c->comm), NULL);
    /* Others may take long over theirs, and watch over themselves. */
    ae_watchdog_limit(0, 0);
    status = ae_comm_agree(c->comm, status);
    if (status == AE_STOPPED)
        return ae_fail(AE_STOPPED, "stopped early, as asked: the same command goes on");
    return status == AE_OK ? tell_broken(c) : status;
}

/* ---- what is said ---- */

static void say_plan(const command *c, const ae_placement *placement) {
    const ae_model_file *file = &c->file;
    int64_t before = 0;
    char noise[AE_NOISE_TEXT_SIZE] = "without noise";
    for (int64_t i = 0; i < c->inputs.count; ++i) before += c->owner[i] == DONE_BEFORE;
    if (!ae_noise_is_none(&file->noise)) ae_noise_text(noise, &file->noise);
    ae_say("model    %s: %d channel%s, epoch %lld, %s, hash %s", file->path, file->channels,
           ae_plural(file->channels), (long long)file->epoch, noise, file->parameters_hash);
    ae_say("files    %lld, of them %lld done before; %d rank%s, %d thread%s, %s; tiles of %d, "
           "%.0f MB a rank",
           (long long)c->inputs.count, (long long)before, ae_comm_size(c->comm),
           ae_plural(ae_comm_size(c->comm)), placement->total_threads,
           ae_plural(placement->total_threads), c->model.kernels->name,
           ae_tiles_side(c->shop.tiles), (double)c->options.memory / 1e6);
}

static void say_datasets(const command *c) {
    for (int64_t i = 0; is_first(c) && i < c->inputs.count; ++i) {
        const ae_input *input = &c->inputs.all[i];
        if (input->dataset[0] && c->owner[i] != DONE_BEFORE)
            ae_input_say_dataset(input, c->options.axes, c->file.channels);
    }
}

static void say_notes(const command *c) {
    if (c->counts[NOTE_CHANNELS] > 0)
        ae_say("colour pictures went through the network of one channel channel by channel");
    if (c->counts[NOTE_GREY] > 0)
        ae_say("grey pictures went through the network of %d channels as %d equal ones, whose mean "
               "was taken",
               c->file.channels, c->file.channels);
    if (c->counts[NOTE_RANGE] > 0)
        ae_say("pixels in floating point: %g and %g were black and white, as in training; --range "
               "changes that",
               c->file.range[0], c->file.range[1]);
    if (c->counts[NOTE_TYPE] > 0)
        ae_say("whole numbers were scaled by their type's black and white; in training %g and %g "
               "were these, which --range %g,%g says here too",
               c->file.range[0], c->file.range[1], c->file.range[0], c->file.range[1]);
}

/* Counts, notes, and figures. Collective. */
static ae_status conclude(command *c, double begin_s) {
    ae_status status = AE_OK;
    ae_comm_sum(c->comm, c->counts, COUNTS);
    if (is_first(c)) {
        const double seconds = ae_now_s() - begin_s, pixels = (double)c->counts[COUNT_PIXELS];
        const ae_report_origin origin = {c->file.parameters_hash, c->options.sigma,
                                         c->options.reference ? c->options.reference : ""};
        say_notes(c);
        status = ae_report_write(c->options.out, &c->inputs,
                                 (const char(*)[AE_HASH_TEXT_SIZE])c->keys, &origin);
        ae_say("done     %lld file%s, %.1f megapixel in %.1f s: %.1f megapixel/s",
               (long long)c->counts[COUNT_DONE], ae_plural(c->counts[COUNT_DONE]), pixels / 1e6,
               seconds, pixels / 1e6 / seconds);
    }
    status = ae_comm_agree(c->comm, status);
    if (status != AE_OK || c->counts[COUNT_BROKEN] == 0) return status;
    return ae_fail(AE_ERROR_DATA, "%lld of %lld files were left out, as told above",
                   (long long)c->counts[COUNT_BROKEN], (long long)c->inputs.count);
}

static ae_status run(command *c) {
    const ae_placement placement = ae_placement_find(c->comm);
    const double begin_s = ae_now_s();
    ae_placement_warn(&placement);
    ae_status status = open_model(c);
    if (status == AE_OK) status = ae_inputs_find(&c->inputs, c->comm, &c->options);
    if (status == AE_OK) status = plan(c);
    if (status != AE_OK) return status;
    status = ae_workshop_init(&c->shop, &c->options, &c->model, c->file.channels, c->file.range,
                              placement.threads);
    status = ae_comm_agree(c->comm, status);
    if (status != AE_OK) return status;
    say_plan(c, &placement);
    say_datasets(c);
    status = do_all(c);
    return status == AE_OK ? conclude(c, begin_s) : status;
}

ae_status ae_apply_run(ae_comm *comm, int argc, char **argv) {
    command c = {.comm = comm};
    ae_file_name_place("OUT (-o)");
    ae_status status = ae_comm_agree(comm, ae_apply_options_parse(&c.options, argc, argv));
    if (status == AE_OK && c.options.help) {
        if (ae_log_is_speaker()) ae_apply_print_help();
    } else if (status == AE_OK) {
        ae_log_configure(is_first(&c), c.options.quiet);
        status = run(&c);
    }
    ae_workshop_release(&c.shop);
    ae_inputs_release(&c.inputs);
    ae_model_release(&c.model);
    ae_model_file_release(&c.file);
    ae_apply_options_release(&c.options);
    free(c.keys);
    free(c.owner);
    free(c.broken);
    return status;
}
