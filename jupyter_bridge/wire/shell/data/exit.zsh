zshexit_functions+=(__jb_bye)
