# Instructions per frame by stage, stacked. Called by lab/bench/report.py with
# data (a table with a row for each bar, of columns) and svg (the file to write).
set terminal svg size 820,420 font "sans-serif,13" background "white"
set output svg
set title "instructions of the host's kernel per frame" noenhanced
set style data histogram
set style histogram rowstacked
set style fill solid 0.9 border -1
set boxwidth 0.7
set key outside right reverse Left noenhanced
set ytics nomirror
set xtics nomirror scale 0 noenhanced
set grid y
set yrange [0:*]
plot for [i = 2:columns] data using i:xticlabels(1) title columnheader(i)
