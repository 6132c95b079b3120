__jb_theirs
[[ ! -r ${ZDOTDIR:-$HOME}/.zprofile ]] || . "${ZDOTDIR:-$HOME}/.zprofile"
(( ! ${+ZDOTDIR} )) || __JB_ZDOTDIR=$ZDOTDIR
ZDOTDIR=$__jb_own
