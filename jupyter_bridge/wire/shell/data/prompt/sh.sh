# shellcheck shell=sh disable=SC2016,SC2034,SC2154
# What sh says at each prompt. Its line editors count what a prompt shows, unless they are told what
# does not show: mksh by a character of one's choice, busybox and bash by brackets.
__jb_in='' __jb_out='' __jb_first=''
case $__jb_given in
  *:mksh:*)
    __jb_cr=$(\command printf '\r')
    case ${PS1-} in
      ?"$__jb_cr"*) __jb_in=${PS1%"${PS1#?}"} ;;
      *) __jb_in=$(\command printf '\001'); PS1=$__jb_in$__jb_cr${PS1-} ;;
    esac
    __jb_out=$__jb_in __jb_first=$__jb_in$__jb_cr
    PS1=${PS1#??} ;;
  *:busybox:* | *:bash:*) __jb_in='\[' __jb_out='\]' ;;
esac
# B begins the prompt's last line: any newline after it is one that somebody typed.
__jb_nl='
'
__jb_head='' __jb_last=${PS1-}
case $__jb_in$__jb_last in
  *"$__jb_nl"*) __jb_head=${__jb_last%"$__jb_nl"*}$__jb_nl __jb_last=${__jb_last##*"$__jb_nl"} ;;
  '\['*'\n'*) __jb_head=${__jb_last%'\n'*}'\n' __jb_last=${__jb_last##*'\n'} ;;
esac
__jb_key_d='$__jb_esc;D;$?;jb=$__jb_key;${PWD}${__jb_bel}$__jb_esc;A;jb=${__jb_key}${__jb_bel}'
PS1=$__jb_first$__jb_in$__jb_ps1$__jb_key_d$__jb_out$__jb_head
PS1=$PS1$__jb_in'$__jb_esc;B;jb=${__jb_key}${__jb_bel}'$__jb_out$__jb_last
# What follows I is typed: only sh does not tell the text of a command.
PS1=$PS1$__jb_in'$__jb_esc;I;jb=${__jb_key}${__jb_bel}'$__jb_out
# ksh and mksh show PS2 as it is.
__jb_2=$__jb_first$__jb_in"$__jb_esc;P;k=s;jb=${__jb_key}${__jb_bel}"$__jb_out
PS2=$__jb_2${PS2-}$__jb_in"$__jb_esc;I;jb=${__jb_key}${__jb_bel}"$__jb_out
unset __jb_2
