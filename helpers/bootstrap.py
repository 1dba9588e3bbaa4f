"""Makes .venv and installs requirements.txt into it."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent

if __name__ == "__main__":
    if not (ROOT / ".venv/bin/pip").exists():
        subprocess.run([sys.executable, "-m", "venv", ROOT / ".venv"], check=True)
    subprocess.run(
        [ROOT / ".venv/bin/pip", "install", "-q", "-r", "requirements.txt"], cwd=ROOT, check=True
    )
