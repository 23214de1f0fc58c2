#!/usr/bin/env python3
"""The files of dvd's programs in NumPy: prepared sets, saved videos, latents, and generators out of checkpoints.

    files_in_numpy.py set SET                             what prepare_videos made: a line a video
    files_in_numpy.py latents FILE COUNT DIM CLASSES      writes latents for sample_videos --latents
    files_in_numpy.py videos FILE                         what sample_videos or predict_frames saved: a line a video
    files_in_numpy.py alone CHECKPOINT FILE               writes the averaged generator alone, which all programs load
"""
import json
import sys

import numpy as np

from plain_safetensors import load, save


def videos_of_set(folder):
    """Of every video of a prepared set that could be used: name, class, and its frames [T, H, W, C], which are bytes."""
    index, metadata = load(f"{folder}/index.safetensors")
    options, classes = json.loads(metadata["options"]), json.loads(metadata["class_names"])
    text, ends = index["text.bytes"].tobytes(), [0, *index["text.ends"].tolist()]
    for i in np.flatnonzero(index["video.skipped"] == 0):
        name = text[ends[3 * i]:ends[3 * i + 1]].decode(errors="replace")  # of three texts a video
        shape = [int(index["video.frames"][i])] + [options[size] for size in ("height", "width", "channels")]
        shard = f"{folder}/shard-{index['video.shard'][i]:05}.safetensors"
        frames = np.memmap(shard, np.uint8, "r", int(index["video.offset"][i]), tuple(shape))
        yield name, classes[index["video.label"][i]] if classes else None, frames


def save_latents(path, count, latent_dim, classes):
    """Latents and, if there are classes, all of these in turn."""
    z = np.random.default_rng(0).standard_normal((count, latent_dim), np.float32)
    labels = {"labels": np.arange(count, dtype=np.int64) % classes} if classes else {}
    save(path, {"z": z, **labels})


def saved_videos(path):
    """Videos [N, T, C, H, W] as bytes [N, T, H, W, C], the order and the range of most programs that show them."""
    videos = load(path)[0]["videos"]
    return np.rint((np.clip(videos, -1, 1) + 1) * 127.5).astype(np.uint8).transpose(0, 1, 3, 4, 2)


def save_alone(checkpoint, path):
    tensors, metadata = load(checkpoint)
    averaged = {name[4:]: value for name, value in tensors.items() if name.startswith("ema.")}
    save(path, averaged, {"config": metadata["config"]})


def main(command=None, *arguments):
    if command == "set":
        for name, label, frames in videos_of_set(*arguments):
            print(f"{name} class {label} shape {list(frames.shape)} sum {frames.sum(dtype=np.int64)}")
    elif command == "latents":
        save_latents(arguments[0], *map(int, arguments[1:]))
    elif command == "videos":
        for video in saved_videos(*arguments):
            print(f"shape {list(video.shape)} sum {video.sum(dtype=np.int64)}")
    elif command == "alone":
        save_alone(*arguments)
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main(*sys.argv[1:])
