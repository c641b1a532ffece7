"""A model's weights on a volume: fetched once from the Hugging Face Hub or from S3, and checked."""

import os
import tempfile

# huggingface_hub reads its environment on import, so it is set here. Xet is off: plain downloads resume in the middle
# of a file after a kill, and need only one egress route from the cluster and little memory.
os.environ |= {
    "HF_HOME": f"{tempfile.gettempdir()}/huggingface",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "HF_HUB_DISABLE_SYMLINKS_WARNING": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_ENABLE_HF_TRANSFER": "0",
    "HF_HUB_OFFLINE": "0",
    "HF_HUB_VERBOSITY": "error",
}
