__jb_mark() {
  emulate -L zsh
  { \builtin printf "$@" >/dev/tty } 2>/dev/null
}
__jb_end() {
  emulate -L zsh
  local p=$PWD
  [[ $p == *[[:cntrl:]]* ]] && p=
  __jb_part
  __jb_mark '\033]133;D;%s;jb=%s;%s\007' "$1" "$__jb_n$2" "$p"
}
__jb_c() {
  __jb_n=$1; __jb_f=$2; __jb_o=1; __jb_dir=${2:h}
  [ -z "${3-}" ] || __jb_mark '\033]133;E;jb=%s;cmdline_url=%s\007' "$1" "$3"
  __jb_hooked
  if [[ -n ${__jb_key-} ]]; then
    __jb_show
    eval "$__jb_options"
    __jb_options=
  fi
  [[ -z $__jb_k ]] || __jb_s=$__jb_k
  __jb_k=
  __jb_start
  return "$__jb_s"
}
__jb_hooked() {
  emulate -L zsh
  (( ${precmd_functions[(I)__jb_d]} )) || precmd_functions=(__jb_d $precmd_functions)
  (( ${zshaddhistory_functions[(I)__jb_h]} )) || zshaddhistory_functions+=(__jb_h)
}
# An interrupted loop has 0 here and 2 at the prompt; 130 is what zsh says without a wrapper, and
# __jb_k keeps that for the next run.
__jb_e() {
  __jb_s=$1
  if [ "$2" = 1 ]; then __jb_s=130; __jb_k=130; fi
  __jb_o=
  __jb_end "$__jb_s"
  return "$__jb_s"
}
__jb_d() {
  __jb_s=$?
  {
    if [ -n "${__jb_n-}" ]; then
      [ -z "${__jb_o-}" ] || __jb_end "$__jb_s"
      __jb_mark '\033]133;A;jb=%s\007' "$__jb_n"
      __jb_n=
    else
      __jb_k=
      [ -z "${__jb_typed-}" ] || __jb_tell "$__jb_s"
    fi
    if [ -n "${__jb_key-}" ]; then
      __jb_show
      __jb_unfinished
      __jb_typed=
      __jb_mark '\033]133;A;jb=%s\007' "$__jb_key"
    fi
  } 2>/dev/null
  return 0
}
__jb_h() {
  # A hook that fails would end a shell with `set -e`.
  case $-$1 in
    *e*". $__jb_dir/"*|*e*" /bin/sh "*" jb="*) return 0 ;;
    *". $__jb_dir/"*|*" /bin/sh "*" jb="*) return 1 ;;
  esac
  return 0
}
__jb_k=
