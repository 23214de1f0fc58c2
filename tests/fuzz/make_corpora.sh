#!/bin/bash
# Makes the seeds of the fuzz targets, a folder for each target: make_corpora.sh MAKE_SEEDS FOLDER. MAKE_SEEDS is the
# program build/fuzz/bin/make_seeds. Other seeds are small files of tests/data, and videos that the ffmpeg program makes.
set -eu
[ $# -eq 2 ] || { echo "usage: make_corpora.sh MAKE_SEEDS FOLDER" >&2; exit 2; }
make_seeds=$1 folder=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
data=$here/../data
mkdir -p "$folder"/{safetensors,checkpoint,set,list,weights,pickle,tensorflow,video,config}

"$make_seeds" "$folder"
find "$data/metrics" "$data/parity" -name '*.safetensors' -size -4k -exec cp {} "$folder/safetensors/" \;
cp "$data"/convert/*.{npz,pt} "$folder/weights/"
cp "$data"/convert/tensorflow.ckpt.index "$folder/tensorflow/"

printf 'Archery/v_Archery_g01_c01.avi 1\r\nBiking/v_Biking_g01_c01.avi 2\n"UCF-101\\Archery\\v_Archery_g01_c02" 3\n' \
  >"$folder/list/split"
printf '1 Archery\n2 Biking\n3 Diving\n' >"$folder/list/classes"
printf 'label,youtube_id,time_start,time_end,split\nplaying chess,abcdefghijk,10,20,train\n%s\n%s\n' \
  '"playing chess",bcdefghijkl,1.5,4,validate' "riding a bike,cdefghijklm,10,20,train" >"$folder/list/table"
printf 'youtube_id;label\n"cdefghijklm";"riding ""a"" bike"\n' >"$folder/list/semicolons"

cat >"$folder/config/run" <<'JSON'
{"preset":"demo","data":"moving shapes","frames":8,"resolution":32,"channels":8,"classes":12,"latent_dim":120,
"embed_dim":120,"spatial_frames":8,"condition_frames":0,"upsample":"bilinear","batch":8,"steps":100,"d_steps":2,
"augment":"color,translation","reduce":"fast","lr_g":0.0001,"lr_schedule":"linear","beta1":0,"ema_decay":0.999,"keep":3,
"keep_best":true,"seed":1,"device":"cpu","precision":"float32","class_names":["a","b"],"generator_multipliers":[8,4,2,1]}
JSON

if command -v ffmpeg >/dev/null; then
  video() {
    ffmpeg -nostdin -loglevel quiet -y -f lavfi -i testsrc2=size=32x24:rate=25 -frames:v 9 "${@:2}" \
      "$folder/video/$1" </dev/null || rm -f "$folder/video/$1"  # an encoder that this ffmpeg has not
  }
  video mpeg4.avi -c:v mpeg4 -bf 2 -g 4
  video mjpeg.avi -c:v mjpeg -pix_fmt yuvj420p
  video h264.mp4 -c:v libx264 -pix_fmt yuv420p -bf 2 -g 4
  video h264.mkv -c:v libx264 -pix_fmt yuv420p -bf 2 -g 4
  video h264.ts -c:v libx264 -pix_fmt yuv420p -bf 2 -g 4
  video vp9.webm -c:v libvpx-vp9 -cpu-used 8 -g 4 -b:v 100k
  video mpeg2.mpg -c:v mpeg2video -bf 2 -g 4
  video gif.gif
  video ffv1.mkv -c:v ffv1
  video flv1.flv -c:v flv1 -g 4
fi
