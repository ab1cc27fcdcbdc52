#!/usr/bin/env bash
# Set up, then run the whole pipeline on the bundled example: raw text to records,
# pretraining on two replicas, evaluation, NER, predictions, export.
# Every command is printed before it runs. Results: example_output/, made anew.
set -euo pipefail
cd "$(dirname "$0")"
. ./setup_env.sh
set_up

OUT=example_output
MODEL=models/computing # pretrained on computing papers, see its README.md
CONFIG="$MODEL/albert_config.json"
VOCAB="$MODEL/vocab.txt"

run() {
  printf '\n+ %s\n' "$*"
  "$@"
}

run rm -rf "$OUT"
run mkdir -p "$OUT"

# 1. Raw text to records: one sentence a line, a blank line between documents.
run python3 create_pretraining_data.py --do_whole_word_mask=True --whole_word_spans=exact \
  --continuation_labels=False --input_file=examples/corpus.txt \
  --output_file="$OUT/train.tfrecord" --vocab_file="$VOCAB" \
  --max_seq_length=64 --masked_lm_prob=0.2 --dupe_factor=10
run python3 create_pretraining_data.py --do_whole_word_mask=True --whole_word_spans=exact \
  --continuation_labels=False --input_file=examples/corpus_eval.txt \
  --output_file="$OUT/eval.tfrecord" --vocab_file="$VOCAB" \
  --max_seq_length=64 --masked_lm_prob=0.2 --dupe_factor=5

# 2. The model that comes with the project is pretrained further on this text, on two
#    replicas (logical CPU devices; with GPUs leave --num_cpu_replicas out), and
#    evaluated on held-out text.
run python3 run_pretraining.py --input_file="$OUT/train.tfrecord" \
  --eval_input_file="$OUT/eval.tfrecord" --output_dir="$OUT/pretrained" \
  --do_train=True --do_eval=True --bert_config_file="$CONFIG" \
  --vocab_file="$VOCAB" --init_checkpoint="$MODEL" --objectives=masked_lm:1 \
  --train_batch_size=32 --num_train_steps=150 --num_warmup_steps=15 \
  --optimizer=adamw --adam_beta2=0.98 --learning_rate=5e-4 --num_cpu_replicas=2

# 3. NER from that checkpoint: fine-tuning, scores, predictions.
run python3 run_ner.py --data_dir=examples/ner --output_dir="$OUT/ner" \
  --bert_config_file="$CONFIG" --vocab_file="$VOCAB" \
  --init_checkpoint="$OUT/pretrained" --do_train=True --do_eval=True --do_predict=True \
  --learning_rate=1e-3 --num_train_epochs=12 --train_batch_size=16

# 4. The pretrained model as a folder that other tools load.
run python3 export_checkpoint.py --model_dir="$OUT/pretrained" \
  --output_dir="$OUT/exported"

value() { awk -F' = ' -v key="$2" '$1 == key { printf "%.3f", $2 }' "$1"; }
records() { grep -o '"instances": [0-9]*' "$1" | head -n 1 | grep -o '[0-9]*$'; }
row() { printf '%-34s %s\n' "$1" "$2"; }

echo
echo "Result"
row "records written" \
  "$(records "$OUT/train.tfrecord.json") to train on, $(records "$OUT/eval.tfrecord.json") held out"
row "masked LM accuracy" "$(value "$OUT/pretrained/eval_results.txt" masked_lm_accuracy)"
row "  of a table of neighbours" \
  "$(value "$OUT/pretrained/eval_results.txt" baseline_neighbours_accuracy)"
row "entity precision, recall, F1" \
  "$(value "$OUT/ner/eval_results.txt" eval_precision), $(value "$OUT/ner/eval_results.txt" eval_recall), $(value "$OUT/ner/eval_results.txt" eval_f)"
row "records" "$OUT/train.tfrecord, $OUT/train.tfrecord.json"
row "pretrained model, event files" "$OUT/pretrained"
row "NER model, scores, predictions" "$OUT/ner"
row "exported checkpoint" "$OUT/exported"
