"""Clips a second of PyAV and of decord, one thread: reads the windows that video_files draws, one a line of a file."""
import sys
import time


def windows(path):
    for line in open(path, encoding="utf-8"):
        name, first, seconds = line.rstrip("\n").split("\t")
        yield name, int(first), float(seconds)


FRAMES, SIZE = 16, 64


def read_pyav(av, name, seconds):
    with av.open(name) as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        start = stream.start_time or 0
        target = start + round(seconds / stream.time_base)
        container.seek(target, stream=stream, backward=True)
        clip = []
        for frame in container.decode(stream):
            if frame.pts < target:
                continue
            clip.append(frame.reformat(width=SIZE, height=SIZE, format="rgb24").to_ndarray())
            if len(clip) == FRAMES:
                return clip
    raise RuntimeError(f"{name}: too few frames")


def read_decord(decord, name, first):
    reader = decord.VideoReader(name, width=SIZE, height=SIZE, num_threads=1)
    return reader.get_batch(range(first, first + FRAMES)).asnumpy()


def measure(name, read):
    start = time.perf_counter()
    count = 0
    for window in windows(sys.argv[1]):
        read(window)
        count += 1
    print(name, count / (time.perf_counter() - start), flush=True)


try:
    import av

    measure("PyAV", lambda window: read_pyav(av, window[0], window[2]))
except ImportError:
    pass
try:
    import decord

    measure("decord", lambda window: read_decord(decord, window[0], window[1]))
except ImportError:
    pass
