# shellcheck shell=bash disable=SC2016,SC2034,SC2154,SC2206
# What bash says at each prompt, and the key that runs take. PS1, PS2 and PS0 say it, too: a prompt
# whose PROMPT_COMMAND is read-only is known by them. The subscripts assign: __jb_p is 1 at PS1. A
# child that inherits PS1 does not have the variables, and says nothing.
__jb_0=$'\e]133;C;jb='$__jb_key$'\a' __jb_2=$'\e]133;P;k=s;jb='$__jb_key$'\a'
__jb_b=$'\e]133;B;jb='$__jb_key$'\a'
__jb_text0='${__jb_q[__jb_p=0,0]-}${__jb_0-}'
__jb_text1='\[${__jb_q[__jb_p=1,__jb_s=$?,0]-}${__jb_o:+\e]133;D;$?;jb=$__jb_n;$PWD\a\e]133;A;jb=$__jb_n\a}${__jb_b-}\]'
__jb_text2='\[${__jb_q[__jb_p=2,0]-}${__jb_2-}\]'
__jb_texts() {
  case ${PS0-} in *"$__jb_text0"*) ;; *) PS0=${PS0-}$__jb_text0 ;; esac
  case ${PS1-} in *"$__jb_text1"*) ;; *) PS1=$__jb_text1${PS1-} ;; esac
  case ${PS2-} in "$__jb_text2"*) ;; *) PS2=$__jb_text2${PS2-} ;; esac
}
__jb_texts_hook=__jb_texts
__jb_press() {
  local line=
  { __jb_has_dir && IFS= \builtin read -r line <"$__jb_dir/$$.line"; } 2>/dev/null
  # PS0 and PS2 must still tell what is no prompt.
  case ${__jb_p-}:$line:${PS0-}:${PS2-} in
    '1: '*:*"$__jb_text0"*:*"$__jb_text2"*)
      READLINE_LINE=$line READLINE_POINT=${#line}
      \builtin bind '"\e[7485~": accept-line' ;;
    *)
      __jb_mark '\033]133;R;jb=%s\007' "$__jb_key"
      \builtin bind '"\e[7485~": ""' ;;
  esac
}
for __jb_map in emacs vi-insert vi-command; do
  \builtin bind -m "$__jb_map" -x '"\e[7484~": __jb_press'
  \builtin bind -m "$__jb_map" '"\e[7485~": ""'
  \builtin bind -m "$__jb_map" '"\e[7482~": ""'
  \builtin bind -m "$__jb_map" '"\e[7483~": "\e[7484~\e[7485~"'
done
unset __jb_map
__jb_hooked
__jb_texts
