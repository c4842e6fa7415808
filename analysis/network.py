"""A network of ae_dist as a PyTorch module, from the text of model.layers in full (as
`ae_dist --print-config` prints it and /parameters of a model.h5 or a checkpoint holds it).

    from network import Network, load
    module = load("runs/denoise/model.h5")      # or a checkpoint: with its parameters
    module = Network("conv 8 3 relu, tconv 3 3 sigmoid", channels=3)

Its state_dict() has the names of the file's /parameters.
"""
import torch
from torch import nn
from torch.nn import functional


class Activation(nn.Module):
    def __init__(self, word):
        super().__init__()
        self.word = word
        self.slope = float(word.split(":")[1]) if word.startswith("leaky:") else 0.0

    def forward(self, x):
        if self.word == "relu":
            return functional.relu(x)
        if self.word == "sigmoid":
            return torch.sigmoid(x)
        return functional.leaky_relu(x, self.slope) if self.slope else x


def split_layer(text):
    """A layer as (the words whose place tells what they are, its name or None, set of options)."""
    words = text.split()
    count = {"conv": 4, "tconv": 4, "add": 2, "concat": 2}.get(words[0], 1)
    if words[0] == "add" and words[2:3] not in ([], ["as"]):
        count = 3  # an activation
    name, options, rest = None, set(), iter(words[count:])
    for word in rest:
        if word == "as":
            name = next(rest)  # which may be such a word itself
        else:
            options.add(word)
    return words[:count], name, options


def padding_of(words, options):
    return (int(words[2]) - 1) // 2 if "same" in options else 0


def make_convolution(words, options, channels):
    """conv or tconv CHANNELS KERNEL, as a module."""
    kernel, stride = int(words[2]), 2 if "stride2" in options else 1
    module = nn.ConvTranspose2d if words[0] == "tconv" else nn.Conv2d
    return module(
        channels,
        int(words[1]),
        kernel,
        stride=stride,
        padding=padding_of(words, options),
        bias="nobias" not in options,
    )


def is_chain(layers):
    """Plain and transposed convolutions alone, each valid, of stride 1, with bias, not leaky and
    without a name: two parts, with names of their own."""
    return all(
        words[0] in ("conv", "tconv")
        and not name
        and not options & {"stride2", "nobias"}
        and padding_of(words, options) == 0
        and ":" not in words[3]
        for words, name, options in layers
    )


class Network(nn.Module):
    def __init__(self, text, channels=3, residual=False):
        super().__init__()
        self.residual = residual
        self.steps = []  # kind, module's place or None, the other image read or None, activation
        self.stride = 1
        layers = [split_layer(layer) for layer in text.split(",")]
        chain = is_chain(layers)
        names = {"input": 0}
        counts = [channels]  # channels of the input and of each layer's output
        depth = [1]  # by how much each is smaller than the input
        part, at = "encoder", 0
        for index, (words, name, options) in enumerate(layers):
            kind, count, size, other, place = words[0], counts[-1], depth[-1], None, None
            activation = Activation("none")
            if kind in ("conv", "tconv"):
                if chain and kind == "tconv" and part == "encoder":
                    part, at = "decoder", 0
                group, key = (part, at) if chain else ("layers", index)
                if not hasattr(self, group):
                    self.add_module(group, nn.ModuleDict())
                getattr(self, group)[str(key)] = make_convolution(words, options, count)
                place = (group, str(key))
                at += 1 if words[3] == "none" else 2
                count = int(words[1])
                activation = Activation(words[3])
                if "stride2" in options:
                    size = size * 2 if kind == "conv" else size / 2
            elif kind in ("add", "concat"):
                other = names[words[1]]
                count += counts[other] if kind == "concat" else 0
                if kind == "add" and len(words) > 2:
                    activation = Activation(words[2])
            elif kind == "unshuffle":
                count, size = 4 * count, size * 2
            elif kind == "shuffle":
                count, size = count // 4, size / 2
            elif kind == "maxpool":
                size *= 2
            else:
                raise ValueError(f"layer {index + 1}: {kind} is none of the language's kinds")
            self.steps.append((kind, place, other, activation))
            counts.append(count)
            depth.append(size)
            self.stride = max(self.stride, int(size))
            if name:
                names[name] = index + 1

    def forward(self, x):
        height, width = x.shape[-2:]
        right, below = -width % self.stride, -height % self.stride
        images = [functional.pad(x, (0, right, 0, below), mode="replicate") if right or below else x]
        for kind, place, other, activation in self.steps:
            y = images[-1]
            if place:
                y = getattr(self, place[0])[place[1]](y)
            elif kind == "add":
                y = y + images[other]
            elif kind == "concat":
                y = torch.cat([y, images[other]], dim=1)
            elif kind == "unshuffle":
                y = functional.pixel_unshuffle(y, 2)
            elif kind == "shuffle":
                y = functional.pixel_shuffle(y, 2)
            else:
                y = functional.max_pool2d(y, 2)
            images.append(activation(y))
        y = images[-1][..., :height, :width]
        return x - y if self.residual else y


def load(path):
    """The network of a model.h5 or a checkpoint, with its parameters."""
    import h5py

    with h5py.File(path) as file:
        group = file["parameters"]
        # What the network is: of the oldest checkpoints, which had but one kind, as configured.
        layers = group.attrs.get("layers", file["config"].attrs["model.layers"])
        residual = group.attrs.get("output", "direct") == "residual"
        module = Network(layers, int(group.attrs.get("channels", 3)), residual)
        state = {name: torch.from_numpy(tensor[()]) for name, tensor in group.items()}
    module.load_state_dict(state)
    return module
