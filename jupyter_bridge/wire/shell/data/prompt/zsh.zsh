# What zsh says at each prompt, and the key that runs take.
__jb_begun() {
  emulate -L zsh
  __jb_typed=1
  __jb_mark '\033]133;C;jb=%s;cmdline=%s\007' "$__jb_key" "${(q+)1[1,1000]}"
}
__jb_tell() {
  emulate -L zsh
  local p=$PWD
  [[ $p == *[[:cntrl:]]* ]] && p=
  __jb_mark '\033]133;D;%s;jb=%s;%s\007' "$1" "$__jb_key" "$p"
}
# The hooks of others do not see the line that starts a run.
__jb_hide() {
  emulate -L zsh
  __jb_hidden=("${preexec_functions[@]}")
  preexec_functions=()
  if (( ${+functions[preexec]} )); then
    functions[__jb_preexec]=$functions[preexec]
    unfunction preexec
  fi
  __jb_is_hidden=1
}
__jb_show() {
  emulate -L zsh
  [[ -n ${__jb_is_hidden-} ]] || return 0
  preexec_functions=("${__jb_hidden[@]}")
  if (( ${+functions[__jb_preexec]} )); then
    functions[preexec]=$functions[__jb_preexec]
    unfunction __jb_preexec
  fi
  __jb_is_hidden=
}
# A comment is a comment, and `!` is no history, in that one line.
__jb_press() {
  local line=
  # Whoever may write in /tmp may make a folder of our name there, if ours was cleaned away.
  if [[ -O $__jb_dir && ! -L $__jb_dir ]]; then
    { IFS= 'builtin' read -r line <"$__jb_dir/$$.line" } 2>/dev/null
  fi
  if [[ $CONTEXT == start && $line == ' '* ]]; then
    __jb_options=
    [[ -o interactivecomments ]] || __jb_options+='unsetopt interactivecomments;'
    [[ ! -o banghist ]] || __jb_options+='setopt banghist;'
    setopt interactivecomments nobanghist
    __jb_hide
    BUFFER=$line CURSOR=$#line
    'builtin' zle .accept-line
  else
    __jb_mark '\033]133;R;jb=%s\007' "$__jb_key"
  fi
}
# Called at each prompt: others may have set PS2 anew.
__jb_unfinished() {
  emulate -L zsh
  [[ $PS2 == *$__jb_2* ]] || PS2="%{$__jb_2%}$PS2"
}
typeset -ga __jb_hidden
__jb_2=$'\e]133;P;k=s;jb='$__jb_key$'\a'
__jb_rest() { }
'builtin' zle -N __jb_rest
'builtin' zle -N __jb_press
zmodload zsh/zleparameter
for __jb_map in "${keymaps[@]}"; do
  case $__jb_map in
    .safe|command) ;;
    *) 'builtin' bindkey -M "$__jb_map" '\e[7482~' __jb_rest '\e[7483~' __jb_press ;;
  esac
done
unset __jb_map
preexec_functions+=(__jb_begun)
__jb_unfinished
__jb_hooked
