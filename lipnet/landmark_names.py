"""The names of the landmark models, as params.yaml, shards and model cards have them."""

DLIB = "dlib"  # the paper's, and the default
MESH = "mesh"  # MediaPipe's, free for any use
LANDMARK_MODELS = (DLIB, MESH)
