"""What results.h5, checkpoints and model.h5 say of themselves, written down once more, by hand: whoever changes
a path, type, shape, scale, unit or description in the source changes it here too, and sees what
readers of the files will meet."""
import h5py
import numpy as np

# Root attributes: the text itself, or the type.
RESULTS_ROOT = {
    "title": "Training run of a convolutional autoencoder",
    "description": "Each group opens as a dataset of its own: xarray.open_dataset(path, "
                   "group='epochs', engine='h5netcdf'). Every dataset tells its units, long_name and "
                   "description.",
    "program": str, "format": "ae_dist results", "format_version": 1}
CHECKPOINT_ROOT = {
    "title": "State of a training run of a convolutional autoencoder",
    "program": str, "format": "ae_dist checkpoint", "format_version": 1, "content_hash": str}
MODEL_ROOT = {"title": "Trained convolutional autoencoder", "program": str,
              "format": "ae_dist model", "format_version": 1, "content_hash": str}

# Groups: description, and further attributes with their types. Those of /config are the options.
RESULTS_GROUPS = {
    "config": ("The effective configuration, one attribute a key", None),
    "provenance": ("A row for each start of the program: what ran, where, and built from what",
                   {"init_from": str, "init_hash": str}),
    "epochs": ("A value for each epoch", {}),
    "levels": ("The test images at each level of noise", {}),
    "test": ("Every test image, evaluated last", {}),
    "reconstructions": ("The first test images as pictures", {})}
TRAINED_GROUPS = {
    "parameters": ("The network's weights and biases, under the names of PyTorch's state_dict; as "
                   "attributes its layers in full, what its output is (direct, or residual: the "
                   "input minus the last layer's image), the channels of its images, and the "
                   "XXH3-128 of all parameters",
                   {"layers": str, "output": str, "channels": int, "hash": str}),
    "images": ("What the network was trained on: how pixels became numbers, and noise, whose kind the "
               "attribute tells", {"noise_kind": str}),
    "contract": ("What equal bits rest on: version of the order of operations; images a block; "
                 "fraction bits of fixed-point sums; hash of the images; for information the kernels",
                 {"version": int, "block": int, "fraction_bits": int, "kernel_path": str,
                  "data_hash": str}),
    "config": ("The effective configuration, one attribute a key", None)}
CHECKPOINT_GROUPS = {
    **TRAINED_GROUPS,
    "optimizer": ("State of the optimiser: a group for each moment, in it a dataset for each "
                  "parameter tensor", {}),
    "position": ("Where the run stands: whole epochs done; steps done of the next; updates in all; "
                 "of the next epoch so far the sum of the images' losses * 2^fraction_bits, and "
                 "their number; steps left out; and the phase's epoch with the lowest validation "
                 "loss so far, with its sum of losses",
                 dict.fromkeys(["epoch", "step", "updates", "loss_sum", "images", "skipped",
                                "best_epoch", "best_sum"], int))}
MODEL_GROUPS = {
    **TRAINED_GROUPS,
    "provenance": ("Where the parameters come from: whole epochs and updates done in their run, the "
                   "time at which they were stored, and the run's folder",
                   {"epoch": int, "updates": int, "time": str, "run": str})}

# Datasets: type, dimensions, units, long_name, description. A dimension is a scale of the same group,
# or of the root; its size is what the test knows of it, None where it grows.
SPREAD = "; lowest, mean and highest over the ranks"
TEXT, INT, FLOAT, DOUBLE = "text", "int64", "float32", "float64"
PICTURE = ("index", "channel", "row", "column")
RESULTS = {
    "config/ini": (TEXT, (), "text", "Configuration file",
                   "As it was read; options given with --set are not in it"),
    **{f"provenance/{name}": (kind, ("start",), units, *texts) for name, kind, units, *texts in [
        ("start", INT, "1", "Start", "Starts of the run, counted from 0"),
        ("time", TEXT, "ISO 8601", "Time", "Local time with offset from UTC"),
        ("hosts", TEXT, "text", "Hosts", "Host names with their ranks"),
        ("ranks", INT, "1", "Ranks", "MPI processes"),
        ("threads", INT, "1", "Threads", "In all ranks together"),
        ("version", TEXT, "text", "Version", "Of ae_dist"),
        ("revision", TEXT, "text", "Git revision",
         "Of ae_dist's source; -dirty where it had changes"),
        ("mpi", TEXT, "text", "MPI library", "Name and version"),
        ("hdf5", TEXT, "text", "HDF5 library", "Version"),
        ("compiler", TEXT, "text", "Compiler", "Name and version"),
        ("flags", TEXT, "text", "Compiler flags", "As given to the compiler"),
        ("kernel_path", TEXT, "text", "Kernel path", "Which of the equal kernels ran"),
        ("job_id", TEXT, "text", "Job", "The batch system's number, or empty"),
        ("data_hash", TEXT, "text", "Hash of the images",
         "XXH3-128 of all records; where there are others (data.other), of that and theirs"),
        ("from_epoch", INT, "1", "Went on from epoch", "Whole epochs done before this start"),
        ("from_step", INT, "1", "Went on from step",
         "Steps of the next epoch done before this start")]},
    "epochs/statistic": (TEXT, ("statistic",), "text", "Statistic over the ranks",
                         "Lowest, mean and highest value of all ranks"),
    **{f"epochs/{name}": (kind, ("epoch",), units, *texts) for name, kind, units, *texts in [
        ("epoch", INT, "1", "Epoch", "Counted from 1 through pretraining and training"),
        ("train_loss", DOUBLE, "1", "Training loss",
         "Mean over the epoch's images, each taken before its step's update; not a number where it "
         "was lost with an earlier file"),
        ("test_loss", DOUBLE, "1", "Test loss", "Mean over the test images after the epoch; not a number, like the test images' other "
         "figures, where they were not evaluated"),
        ("validation_loss", DOUBLE, "1", "Validation loss",
         "Mean over the training images kept from training; not a number where there are none"),
        ("psnr_db", DOUBLE, "dB", "PSNR",
         "Mean of the test images' 10 log10(1 / MSE); images with infinite PSNR are left out"),
        ("psnr_infinite", INT, "1", "Images with infinite PSNR",
         "Test images that were reproduced exactly"),
        ("psnr_pooled_db", DOUBLE, "dB", "PSNR of the pooled error",
         "10 log10(1 / MSE) of the MSE over all test images together"),
        ("ssim", DOUBLE, "1", "SSIM",
         "Mean over the test images; 7 x 7 uniform window, per channel, K1 0.01, K2 0.03, range 1; "
         "images with a side below 7, of which it isn't defined, are left out"),
        ("psnr_first10_db", DOUBLE, "dB", "PSNR, first 10 images",
         "The reference experiment's figure: mean over the first 10 test images"),
        ("ssim_first10_range2", DOUBLE, "1", "SSIM, first 10 images, range 2",
         "The reference experiment's figure: first 10 test images, data range taken as 2"),
        ("skipped_steps", INT, "1", "Steps left out",
         "Steps since the run began that gave numbers that aren't finite and were left out"),
        ("learning_rate", DOUBLE, "1", "Learning rate", "Of the epoch's last step"),
        ("noise_sigma", DOUBLE, "1", "Training noise",
         "Standard deviation of the Gaussian noise on the training images, the highest of a range; 0 while "
         "pretraining"),
        ("test_noise_sigma", DOUBLE, "1", "Test noise",
         "Standard deviation of the Gaussian noise on the test images, the first of several; 0 while "
         "pretraining"),
        ("images_per_s", DOUBLE, "s-1", "Images a second",
         "Training images over the time they took, without evaluation and files"),
        ("seconds", DOUBLE, "s", "Time of the epoch",
         "Wall time of all parts and the files of the epoch before; since the last start, if "
         "later"),
        ("parameters_hash", TEXT, "text", "Hash of the parameters",
         "XXH3-128 of all parameters and moments of the optimiser after the epoch")]},
    **{f"epochs/seconds_{part}": (DOUBLE, ("epoch", "statistic"), "s", long_name, text + SPREAD)
       for part, long_name, text in [
           ("data", "Time in data", "From bytes to numbers, and noise"),
           ("compute", "Time in compute", "Forward and backward passes, and fixed-point sums"),
           ("allreduce", "Time in allreduce",
            "Adding up over the ranks, and waiting for the slowest"),
           ("optimizer", "Time in optimizer", "Updates of the parameters"),
           ("evaluate", "Time in evaluate", "The test images' outputs and metrics"),
           ("io", "Time in files",
            "Results and checkpoints, those written after the epoch before")]},
    "levels/epoch": (INT, ("epoch",), "1", "Epoch",
                     "Those after pretraining in which the test images were evaluated"),
    "levels/level": (DOUBLE, ("level",), "1", "Noise",
                     "On the test images: of the kind gaussian its standard deviation, of others the "
                     "kind's own level"),
    "levels/sigma": (DOUBLE, ("level",), "1", "Gaussian noise",
                     "Its standard deviation on the test images, at each level"),
    **{f"levels/{name}": (DOUBLE, ("epoch", "level"), units, text, f"As {name} of /epochs, which is "
                          "the first level's, at each level of noise")
       for name, units, text in [("psnr_db", "dB", "PSNR"), ("ssim", "1", "SSIM")]},
    **{f"{group}/{name}": (INT, ("index",), "1", *texts) for group in ("test", "reconstructions")
       for name, *texts in [
           ("index", "Test image", "Position in the test set, counted from 0"),
           ("label", "Label", "Class of the image, as the data set numbers them")]},
    **{f"test/{name}": (DOUBLE, ("index",), units, *texts) for name, units, *texts in [
        ("psnr_db", "dB", "PSNR", "10 log10(1 / MSE) of the output; infinite if exact"),
        ("ssim", "1", "SSIM",
         "Of the output; 7 x 7 uniform window, per channel, K1 0.01, K2 0.03, range 1; not a number "
         "where a side is below 7"),
        ("input_psnr_db", "dB", "PSNR of the input",
         "The same of the network's input: what doing nothing would give"),
        ("input_ssim", "1", "SSIM of the input",
         "The same of the network's input: what doing nothing would give")]},
    "reconstructions/channel": (TEXT, ("channel",), "text", "Colour channel", "In the images' order"),
    "reconstructions/row": (INT, ("row",), "1", "Pixel row", "From the top, counted from 0"),
    "reconstructions/column": (INT, ("column",), "1", "Pixel column", "From the left, counted from 0"),
    "reconstructions/epoch": (INT, ("epoch",), "1", "Epoch", "Those after which outputs were stored"),
    "reconstructions/clean": (
        FLOAT, PICTURE, "1", "Clean image",
        "Pixels between 0 and 1: what the output should be, and the network's input while "
        "pretraining"),
    "reconstructions/noisy": (
        FLOAT, PICTURE, "1", "Noisy image",
        "The clean image with the test noise: the network's input after pretraining"),
    "reconstructions/output": (
        FLOAT, ("epoch", *PICTURE), "1", "Output",
        "What the network made of them after the epoch, between 0 and 1")}

# The reference network's tensors; a transposed layer's have their input channels first.
TENSORS = {"encoder.0.weight": ("out_channel_8", "in_channel_3", "kernel_row_3", "kernel_column_3"),
           "encoder.0.bias": ("out_channel_8",),
           "encoder.2.weight": ("out_channel_8", "in_channel_8", "kernel_row_3", "kernel_column_3"),
           "encoder.2.bias": ("out_channel_8",),
           "decoder.0.weight": ("in_channel_8", "out_channel_8", "kernel_row_3", "kernel_column_3"),
           "decoder.0.bias": ("out_channel_8",),
           "decoder.2.weight": ("in_channel_8", "out_channel_3", "kernel_row_3", "kernel_column_3"),
           "decoder.2.bias": ("out_channel_3",)}
SCALES = ["in_channel_3", "in_channel_8", "out_channel_3", "out_channel_8", "kernel_row_3",
          "kernel_column_3"]
IMAGES = {f"images/{name}": (DOUBLE, (), *texts) for name, *texts in [
    ("zero", "pixel value", "Black", "The pixel value that is 0 to the network"),
    ("one", "pixel value", "White", "The pixel value that is 1 to the network"),
    ("noise_sigma", "1", "Training noise",
     "Standard deviation of the Gaussian noise that the network was trained for, the highest of a "
     "range; 0: none"),
    ("noise_sigma_min", "1", "Least training noise", "The lowest of a range; else the same"),
    ("noise_level", "1", "Level of the noise's kind",
     "Of that kind, the highest of a range: photons at white; speckle's standard deviation; share of "
     "pixels that are salt or pepper; 0: none"),
    ("noise_level_min", "1", "Least level of the noise's kind", "The lowest of a range; else the same"),
    ("noise_clamp_min", "1", "Lowest noisy pixel", "To which noisy pixels below it were raised; "
     "-infinity: none were"),
    ("noise_clamp_max", "1", "Highest noisy pixel", "To which noisy pixels above it were lowered; "
     "infinity: none were")]}


def checkpoint_groups(moments):
    return {**CHECKPOINT_GROUPS,
            **{f"optimizer/{name}": ("One moment, under PyTorch's name", {}) for name in moments}}


def checkpoint(moments):
    """The datasets of a checkpoint whose optimiser has these moments; of a model.h5 with none."""
    groups = {"parameters": "Value", **{f"optimizer/{name}": name for name in moments}}
    return {**{f"{group}/{tensor}": (FLOAT, scales, "1", f"{what} of {tensor}",
                                     "In the shape and layout of PyTorch's state_dict")
               for group, what in groups.items() for tensor, scales in TENSORS.items()},
            **IMAGES,
            **{name: (INT, (name,), "1", name.rpartition("_")[0],
                      "Index along this dimension, counted from 0") for name in SCALES}}


# ---- what a file says ----


def kind_of(item):
    return TEXT if h5py.check_string_dtype(item.dtype) else str(item.dtype)


def scales_of(item):
    """Names of the dimensions: a scale's own is its name, others have one scale each."""
    if h5py.h5ds.is_scale(item.id):
        return (item.name.rpartition("/")[2],)
    return tuple(str(scale.name).rpartition("/")[2] for dimension in item.dims
                 for scale in dimension.values())


def own_attributes(item):
    """Without HDF5's bookkeeping of scales."""
    return {name: value for name, value in item.attrs.items()
            if name not in ("CLASS", "NAME", "DIMENSION_LIST", "REFERENCE_LIST", "DIMENSION_LABELS")}


def datasets(file):
    """Every dataset by its path, as the tables above tell it, with its shape, and that it may have."""
    found = {}

    def add(path, item):
        if isinstance(item, h5py.Dataset):
            said = own_attributes(item)
            texts = [said.pop(name, None) for name in ("units", "long_name", "description")]
            found[path] = (kind_of(item), scales_of(item), *texts, item.shape, item.maxshape,
                           sorted(said))
    file.visititems(add)
    return found


def with_sizes(table, sizes, grows):
    """The table's datasets as datasets() tells them: `sizes` of dimensions ("epochs/epoch", or
    "row" where all groups agree), `grows` those that can."""
    expected = {}
    for path, (kind, scales, *texts) in table.items():
        group = path.rpartition("/")[0]
        names = [name if f"{group}/{name}" not in sizes else f"{group}/{name}" for name in scales]
        shape = tuple(sizes[name] for name in names)
        most = tuple(None if name in grows else sizes[name] for name in names)
        expected[path] = (kind, tuple(scales), *texts, shape, most, [])
    return expected


def attribute_faults(item, expected):
    """What is wrong with an object's attributes."""
    def fits(value, wanted):
        is_text = isinstance(value, str)
        return is_text if wanted is str else \
            isinstance(value, np.int64) if wanted is int else value == wanted
    found = own_attributes(item)
    return sorted(name for name in found.keys() | expected.keys()
                  if name not in found or name not in expected
                  or not fits(found[name], expected[name]))


def group_faults(file, root, groups):
    """What is wrong with the root's attributes, the groups and theirs."""
    found = {}
    file.visititems(lambda path, item: found.update({path: item}) if isinstance(item, h5py.Group)
                    else None)
    faults = [f"/{name}" for name in attribute_faults(file, root)]
    faults += [f"group {path}" for path in found.keys() ^ groups.keys()]
    for path in found.keys() & groups.keys():
        description, others = groups[path]
        if others is None:  # the options, all of them text
            others = {name: str for name in found[path].attrs if name != "description"}
        faults += [f"{path}: {name}" for name in
                   attribute_faults(found[path], {"description": description, **others})]
    return sorted(faults)
