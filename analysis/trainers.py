"""What bench_pytorch.py compares ae_dist with, each in a process of its own: a network of
model.layers trained by PyTorch, TensorFlow or JAX. Images lie in memory, as floats; a step takes a
batch of them, adds noise, goes forward and back, takes the mean over the processes and updates.

A setup (a dict) tells all: `framework` and `layout` of the tensors; the network's `layers` and
whether its output is `residual`; the picture, `shape`; `images`, `batch`, `sigma`, `clamp`, `loss`,
`optimizer` (as options of ae_dist); `rank` of `ranks`.
"""

import contextlib
import json
import math
import os
import pathlib
import sys
import time

# CIFAR-10's binary files; a record is a label and an image.
RECORD_BYTES, FILE_RECORDS = 3073, 10000
FILE_NAMES = [f"data_batch_{i}.bin" for i in range(1, 6)]


class Failure(Exception):
    """What stops the benchmark, or a variant, as a person should read it."""


def make_images(setup):
    """[images, channels, height, width] between 0 and 1: those of CIFAR-10's files in `data`, or
    random squares of 4 x 4 pixels."""
    import numpy as np

    count, (channels, height, width) = setup["images"], setup["shape"]
    if setup["data"]:
        names = FILE_NAMES[:math.ceil(count / FILE_RECORDS)]
        files = [np.fromfile(pathlib.Path(setup["data"], name), np.uint8) for name in names]
        records = np.concatenate(files).reshape(-1, RECORD_BYTES)
        pixels = records[:count, 1:].reshape(count, 3, 32, 32)
    else:
        squares = (count, channels, -(-height // 4), -(-width // 4))
        colours = np.random.default_rng(0).integers(0, 256, squares, dtype=np.uint8)
        pixels = colours.repeat(4, axis=2).repeat(4, axis=3)[..., :height, :width]
    return pixels.astype(np.float32) / 255


# ---- PyTorch ----


class PyTorch:
    """A process's part of a variant."""

    def __init__(self, setup):
        import torch

        self.torch, self.setup = torch, setup
        torch.set_flush_denormal(True)
        torch.manual_seed(setup["rank"])
        self.shuffler = torch.Generator().manual_seed(0)  # the same order in every process
        layout = getattr(torch, setup["layout"])
        self.images = torch.from_numpy(make_images(setup)).contiguous(memory_format=layout)
        self.loss = self.make_loss().to(memory_format=layout)
        parameters = list(self.loss.parameters())
        if sum(parameter.numel() for parameter in parameters) != setup["parameters"]:
            raise Failure(f"PyTorch's network hasn't {setup['parameters']} parameters")
        if setup["compile"]:
            if not hasattr(torch, "compile"):
                raise Failure(f"PyTorch {torch.__version__} has no torch.compile")
            self.loss = torch.compile(self.loss)
        if setup["ddp"]:
            torch.distributed.init_process_group("gloo", init_method=setup["meeting"],
                                                 rank=setup["rank"], world_size=setup["ranks"])
            self.loss = torch.nn.parallel.DistributedDataParallel(self.loss,
                                                                  gradient_as_bucket_view=True)
        self.make_optimizer(parameters)

    def make_loss(self):
        """The network and its loss, as one module."""
        from network import Network  # which needs all of PyTorch

        functional = self.torch.nn.functional
        measure = functional.l1_loss if self.setup["loss"] == "l1" else functional.mse_loss

        class Loss(self.torch.nn.Module):
            def __init__(self, network):
                super().__init__()
                self.network = network

            def forward(self, noisy, clean):
                return measure(self.network(noisy), clean)

        return Loss(Network(self.setup["layers"], self.setup["shape"][0], self.setup["residual"]))

    def make_optimizer(self, parameters):
        """In the fastest form that this version has for CPUs."""
        kind = self.setup["optimizer"]["name"]
        make = {"adam": self.torch.optim.Adam, "adamw": self.torch.optim.AdamW,
                "sgd": self.torch.optim.SGD}[kind]
        options = {"lr": float(self.setup["optimizer"]["lr"])}
        if kind == "sgd":
            options["momentum"] = float(self.setup["optimizer"]["momentum"])
        for form in "fused", "foreach":
            with contextlib.suppress(RuntimeError, TypeError):
                self.optimizer, self.form = make(parameters, **options, **{form: True}), form
                return
        self.optimizer, self.form = make(parameters, **options), "plain"

    def add_noise(self, clean):
        if self.setup["sigma"] == 0:
            return clean
        if clean.is_contiguous():
            noise = self.torch.randn(clean.shape)
        else:  # drawn in the order of memory, which is several times faster
            noise = self.torch.randn(clean.permute(0, 2, 3, 1).shape).permute(0, 3, 1, 2)
        return self.torch.add(clean, noise, alpha=self.setup["sigma"]).clamp_(*self.setup["clamp"])

    def train(self, steps):
        """The time of so many steps, and the last one's loss."""
        setup, size = self.setup, self.setup["batch"]
        order = self.torch.cat([self.torch.randperm(setup["images"], generator=self.shuffler)
                                for _ in range(math.ceil(steps * size / setup["images"]))])
        if setup["ddp"]:
            self.torch.distributed.barrier()
        begin_s = time.perf_counter()
        for step in range(steps):
            batch = order[step * size:(step + 1) * size]
            clean = self.images[batch[setup["rank"]::setup["ranks"]]]
            self.optimizer.zero_grad(set_to_none=True)
            loss = self.loss(self.add_noise(clean), clean)
            loss.backward()
            self.optimizer.step()
        return {"seconds": time.perf_counter() - begin_s, "loss": loss.item()}


# ---- TensorFlow and JAX: pictures as [image][row][column][channel], steps compiled ----


def weight_shapes(setup):
    """Of each layer, that of its weight ([row][column][in][out]) and its number of biases, or
    None."""
    channels, counts, names, shapes = setup["shape"][0], [setup["shape"][0]], {"input": 0}, []
    for index, (words, name, options) in enumerate(setup["split"]):
        shapes.append(None)
        if words[0] in ("conv", "tconv"):
            kernel, out = int(words[2]), int(words[1])
            shapes[-1] = (kernel, kernel, channels, out), 0 if "nobias" in options else out
            channels = out
        elif words[0] == "concat":
            channels += counts[names[words[1]]]
        elif words[0] == "unshuffle":
            channels *= 4
        elif words[0] == "shuffle":
            channels //= 4
        counts.append(channels)
        if name:
            names[name] = index + 1
    return shapes


def make_weights(setup):
    """He's normal weights and no biases, [weight, bias] of each layer that has them."""
    import numpy as np

    generator, weights = np.random.default_rng(1), []
    for shape in weight_shapes(setup):
        if shape:
            scale = math.sqrt(2 / math.prod(shape[0][:3]))
            weights.append([scale * generator.standard_normal(shape[0], np.float32),
                            np.zeros(shape[1], np.float32)])
    if sum(part.size for pair in weights for part in pair) != setup["parameters"]:
        raise Failure(f"the network hasn't {setup['parameters']} parameters")
    return weights


def apply(ops, setup, weights, x):
    """The network's picture of x, by the functions of `ops`."""
    images, names, weights = [x], {"input": 0}, iter(weights)
    for index, (words, name, options) in enumerate(setup["split"]):
        kind, y, activation = words[0], images[-1], "none"
        if kind in ("conv", "tconv"):
            weight, bias = next(weights)
            y = getattr(ops, kind)(y, weight, 2 if "stride2" in options else 1, "same" in options)
            y = y if "nobias" in options else y + bias
            activation = words[3]
        elif kind == "add":
            y, activation = y + images[names[words[1]]], (words + ["none"])[2]
        elif kind == "concat":
            y = ops.concat(y, images[names[words[1]]])
        else:
            y = getattr(ops, kind)(y)
        images.append(ops.activate(y, activation))
        if name:
            names[name] = index + 1
    return x - images[-1] if setup["residual"] else images[-1]


class Adam:
    """Of the arrays of any framework; the other optimisers take as long or less."""

    def __init__(self, lr):
        self.lr = lr

    def update(self, value, mean, square, gradient, count, sqrt):
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient * gradient
        step = self.lr * mean / (1 - 0.9**count)
        return value - step / (sqrt(square / (1 - 0.999**count)) + 1e-8), mean, square


class TensorFlow:
    def __init__(self, setup):
        import tensorflow as tf

        self.tf, self.setup = tf, setup
        tf.config.threading.set_intra_op_parallelism_threads(setup["threads"])
        tf.config.threading.set_inter_op_parallelism_threads(1)
        self.images = tf.constant(make_images(setup).transpose(0, 2, 3, 1).copy())
        self.weights = [[tf.Variable(part) for part in pair] for pair in make_weights(setup)]
        self.parts = [part for pair in self.weights for part in pair if part.shape[0]]
        self.moments = [[tf.Variable(tf.zeros_like(part)) for _ in range(2)] for part in self.parts]
        self.count, self.adam = tf.Variable(0.0), Adam(float(setup["optimizer"]["lr"]))
        self.step, self.form = tf.function(self.do_step), "compiled"

    def conv(self, x, weight, stride, same):
        return self.tf.nn.conv2d(x, weight, stride, "SAME" if same else "VALID")

    def tconv(self, x, weight, stride, same):
        n, height, width, _ = x.shape
        more = 0 if same else weight.shape[0] - stride
        shape = [n, height * stride + more, width * stride + more, weight.shape[3]]
        turned = self.tf.transpose(weight, [0, 1, 3, 2])
        return self.tf.nn.conv2d_transpose(x, turned, shape, stride, "SAME" if same else "VALID")

    def concat(self, x, y):
        return self.tf.concat([x, y], -1)

    def unshuffle(self, x):
        return self.tf.nn.space_to_depth(x, 2)

    def shuffle(self, x):
        return self.tf.nn.depth_to_space(x, 2)

    def maxpool(self, x):
        return self.tf.nn.max_pool2d(x, 2, 2, "VALID")

    def activate(self, x, word):
        if word.startswith("leaky:"):
            return self.tf.nn.leaky_relu(x, float(word.split(":")[1]))
        return {"relu": self.tf.nn.relu, "sigmoid": self.tf.sigmoid, "none": lambda x: x}[word](x)

    def do_step(self, batch):
        tf, setup = self.tf, self.setup
        clean = tf.gather(self.images, batch)
        noisy = clean
        if setup["sigma"] > 0:
            noise = setup["sigma"] * tf.random.normal(tf.shape(clean))
            noisy = tf.clip_by_value(clean + noise, *setup["clamp"])
        with tf.GradientTape() as tape:
            error = apply(self, setup, self.weights, noisy) - clean
            loss = tf.reduce_mean(tf.abs(error) if setup["loss"] == "l1" else error * error)
        self.count.assign_add(1)
        for part, moments, gradient in zip(self.parts, self.moments,
                                           tape.gradient(loss, self.parts)):
            new = self.adam.update(part, *moments, gradient, self.count, tf.sqrt)
            for variable, value in zip((part, *moments), new):
                variable.assign(value)
        return loss

    def train(self, steps):
        batches = [self.tf.constant(batch) for batch in draw_batches(self.setup, steps)]
        begin_s = time.perf_counter()
        for batch in batches:
            loss = self.step(batch)
        loss = float(loss)  # waits for it
        return {"seconds": time.perf_counter() - begin_s, "loss": loss}


class Jax:
    def __init__(self, setup):
        import jax

        self.jax, self.setup = jax, setup
        self.images = jax.numpy.asarray(make_images(setup).transpose(0, 2, 3, 1).copy())
        weights = jax.tree.map(jax.numpy.asarray, make_weights(setup))
        zeros = jax.tree.map(jax.numpy.zeros_like, weights)
        self.state = weights, zeros, zeros, jax.numpy.float32(0), jax.random.key(0)
        self.adam = Adam(float(setup["optimizer"]["lr"]))
        self.step, self.form = jax.jit(self.do_step), "compiled"

    def conv(self, x, weight, stride, same):
        padding = (weight.shape[0] - 1) // 2 if same else 0
        return self.jax.lax.conv_general_dilated(
            x, weight, (stride, stride), [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def tconv(self, x, weight, stride, same):
        padding = weight.shape[0] - 1 - ((weight.shape[0] - 1) // 2 if same else 0)
        return self.jax.lax.conv_transpose(
            x, weight, (stride, stride), [(padding, padding)] * 2,
            dimension_numbers=("NHWC", "HWIO", "NHWC"))

    def concat(self, x, y):
        return self.jax.numpy.concatenate([x, y], -1)

    def unshuffle(self, x):
        n, height, width, c = x.shape
        parts = x.reshape(n, height // 2, 2, width // 2, 2, c).transpose(0, 1, 3, 5, 2, 4)
        return parts.reshape(n, height // 2, width // 2, 4 * c)

    def shuffle(self, x):
        n, height, width, c = x.shape
        parts = x.reshape(n, height, width, c // 4, 2, 2).transpose(0, 1, 4, 2, 5, 3)
        return parts.reshape(n, 2 * height, 2 * width, c // 4)

    def maxpool(self, x):
        window = (1, 2, 2, 1)
        return self.jax.lax.reduce_window(x, -math.inf, self.jax.lax.max, window, window, "VALID")

    def activate(self, x, word):
        if word.startswith("leaky:"):
            return self.jax.nn.leaky_relu(x, float(word.split(":")[1]))
        return {"relu": self.jax.nn.relu, "sigmoid": self.jax.nn.sigmoid,
                "none": lambda x: x}[word](x)

    def do_step(self, state, images, batch):
        jax, setup = self.jax, self.setup
        weights, means, squares, count, key = state
        key, own = jax.random.split(key)
        clean = noisy = images[batch]
        if setup["sigma"] > 0:
            noise = setup["sigma"] * jax.random.normal(own, clean.shape)
            noisy = jax.numpy.clip(clean + noise, *setup["clamp"])

        def loss_of(weights):
            error = apply(self, setup, weights, noisy) - clean
            return jax.numpy.mean(jax.numpy.abs(error) if setup["loss"] == "l1" else error * error)

        loss, gradients = jax.value_and_grad(loss_of)(weights)
        count = count + 1
        leaves, tree = jax.tree.flatten(weights)
        new = [self.adam.update(*of_one, count, jax.numpy.sqrt) for of_one in
               zip(leaves, *(jax.tree.leaves(other) for other in (means, squares, gradients)))]
        return (*(jax.tree.unflatten(tree, part) for part in zip(*new)), count, key), loss

    def train(self, steps):
        batches = [self.jax.numpy.asarray(batch) for batch in draw_batches(self.setup, steps)]
        begin_s = time.perf_counter()
        for batch in batches:
            self.state, loss = self.step(self.state, self.images, batch)
        loss = float(loss)  # waits for it
        return {"seconds": time.perf_counter() - begin_s, "loss": loss}


def draw_batches(setup, steps):
    """Image numbers of so many steps."""
    import numpy as np

    generator = np.random.default_rng()
    return [generator.permutation(setup["images"])[:setup["batch"]].astype(np.int32)
            for _ in range(steps)]


# ---- the process ----

FRAMEWORKS = {"torch": PyTorch, "tensorflow": TensorFlow, "jax": Jax}


def serve(setup):
    """Answers each line with a number of steps by one of JSON; ends with the input."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print isn't an answer
    try:
        trainer = FRAMEWORKS[setup["framework"]](setup)
        for line in sys.stdin:
            answer = {**trainer.train(int(line)), "form": trainer.form}
            print(json.dumps(answer), file=answers, flush=True)
    except Exception as error:  # of any library
        lines = str(error).strip().splitlines() or [type(error).__name__]
        print(json.dumps({"error": lines[0]}), file=answers, flush=True)


if __name__ == "__main__":
    serve(json.loads(sys.argv[1]))
