# shellcheck shell=bash
# What is in patches/. Sourced where patches are applied, refreshed or exported.
#
# A patch changes files of the base, and may change files that this repository
# holds, which an earlier patch adds: these are here in their last state, and
# what the earlier patch adds is that state less what later patches change.

# patches_series ROOT: the names, in order
patches_series() {
	[ ! -e "$1/patches/series" ] ||
		sed 's/[[:space:]]*#.*//; /^$/d' "$1/patches/series"
}

# patch_files PATCH: that it changes
patch_files() {
	sed -n 's|^diff --git a/\([^[:space:]]*\) b/.*|\1|p' "$1"
}

# patch_header PATCH: what comes before the edits
patch_header() {
	sed '/^diff --git /,$d' "$1"
}

# patch_hunks PATCH FILE: with their header
patch_hunks() {
	awk -v start="diff --git a/$2 b/$2" '
		/^diff --git / { on = $0 == start }
		on' "$1"
}

# patch_base ROOT PATCH: its changes to files of the base
patch_base() {
	local file

	for file in $(patch_files "$2"); do
		[ -e "$1/$file" ] || patch_hunks "$2" "$file"
	done
}
