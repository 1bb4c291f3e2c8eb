# SPDX-License-Identifier: GPL-3.0-or-later
# bash completion of statesync(8). Commands and their arguments are what
# `statesync help` says; names of peers and vhosts are the running daemon's.

# The first column of a block of the screen: CARP, or NODE without this node.
_statesync_names() {
	statesync "${socket[@]}" status 2>/dev/null | awk -v block="$1" '
		$1 == block { on = 1; next }
		!NF { on = 0 }
		on && /^[^ ]/ && !/this node$/ { print $1 }'
}

# What may stand for an argument that the usage names.
_statesync_argument() {
	case $1 in
	PEER) COMPREPLY=($(compgen -W "$(_statesync_names NODE)" -- "$cur")) ;;
	VHID-NAME) COMPREPLY=($(compgen -W "$(_statesync_names CARP)" -- "$cur")) ;;
	FILE | PATH) _filedir ;;
	COMMAND) COMPREPLY=($(compgen -W "$(_statesync_commands)" -- "$cur")) ;;
	esac
}

_statesync_commands() {
	statesync help 2>/dev/null | sed -n 's/^  \([a-z][a-z-]*\) .*/\1/p'
}

_statesync() {
	local cur prev words cword i command= usage word option= argument= flags=
	local -a socket=()
	_init_completion -n = || return

	for ((i = 1; i < cword; i++)); do
		case ${words[i]} in
		-s) ((i + 1 < cword)) && socket=(-s "${words[i + 1]}"); ((i++)) ;;
		-*) ;;
		*) command=${words[i]}; break ;;
		esac
	done
	if [[ -z $command ]]; then
		case $prev:$cur in
		-s:*) _filedir ;;
		*:-*) COMPREPLY=($(compgen -W '-s -V' -- "$cur")) ;;
		*) _statesync_argument COMMAND ;;
		esac
		return
	fi

	usage=$(statesync help "$command" 2>/dev/null | head -n 1)
	usage=${usage#statesync "$command"}
	usage=${usage//[[|]/ }
	for word in ${usage//]/ ] }; do
		case $word in
		-- | ]) option= ;;
		*[A-Z]*) # an argument: of the option before it, or for itself
			if [[ -z $option ]]; then
				argument=${word%...}
			elif [[ $option == "$prev" ]]; then
				_statesync_argument "$word"
				return
			fi ;;
		*) option=$word; flags+=" $word" ;;
		esac
	done
	[[ -z $argument || $cur == -* ]] || _statesync_argument "$argument"
	COMPREPLY+=($(compgen -W "$flags" -- "$cur"))
} && complete -F _statesync statesync
