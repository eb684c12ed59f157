# Instructions per frame by stage, stacked. Called by lab/bench/report.py with
# data (a table with a row for each bar, of columns) and svg (the file to write).
set terminal svg size 960,440 font "sans-serif,13" background "white"
set output svg
set title "instructions of the host's kernel per frame" noenhanced
set style data histogram
set style histogram rowstacked
set style fill solid 0.9 border -1
set boxwidth 0.7
set key outside right reverse Left noenhanced
set bmargin 4
set ytics nomirror
set xtics nomirror scale 0 noenhanced
set grid y
set yrange [0:*]
# A colour of its own for each stage: gnuplot has eight, and begins again.
array colours[10] = ["#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", \
	"#aa3377", "#bbbbbb", "#222222", "#ee7733", "#999933"]
plot for [i = 2:columns] data using i:xticlabels(1) \
	title columnheader(i) linecolor rgb colours[i - 1]
