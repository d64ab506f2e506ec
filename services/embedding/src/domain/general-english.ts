/**
 * How rare a word is in medical English at large: minus the natural logarithm of the share of 200-word passages that hold
 * it, in steps of a half. A passage is embedded without knowing any other passage, so that rarity has to come from
 * outside. Counted once over three open collections: PubMedQA, COVID-QA and ACI-Bench; the collections that retrieval is
 * measured on (SciFact, MedQuAD) had no part in it. Words are Porter stems. A word that is not listed is rare.
 */
const stemsByRarity: readonly (readonly [rarity: number, stems: string])[] = [
  [0, `and of the`],
  [0.5, `for in on patient that to with`],
  [1, `ar as at be from have is it or result thi wa we were`],
  [
    1.5,
    `all also an ani been between but by can do doctor ha had like method no not right so some studi there time us
    well year you your`,
  ],
  [
    2,
    `about after assess associ blood both clinic compar dai did differ diseas examin first follow get go good
    group if includ increas infect just know littl me mean medic more other pain present rate re report review
    see show signific take test than then these those treatment two up what when which who will`,
  ],
  [
    2.5,
    `activ ag analysi back background base becaus befor care case caus cell chang continu control could current
    data determin develop doe dure effect evalu exam factor feel find found heart help her here high higher
    histori hospit how howev into last let level look low lower mai measur model month most na need new normal
    note now number object observ old onli order our out outcom over past perform physic plan posit potenti
    pressur problem rang realli respons risk sever she significantli sinc start symptom system thei their think
    three todai type uh ve viru week weight whether while work would`,
  ],
  [
    3,
    `abl acut addit ago aim although among analyz antibodi area better bilater cancer check ci come complet
    complic confirm consid correl daili decreas demonstr design detect diabet diagnosi discuss down due each
    emerg everi evid express extrem failur famili femal five four function further gener great he health hi hour
    human identifi ill immun import improv indic initi investig knee left less limit long lung make male mg might
    mm neg next non obtain occur onc overal pathogen period popul possibl prevent primari probabl procedur
    protein provid purpos question rai reason receiv recent recommend record reduc refer regard region relat
    remain respect respiratori retrospect reveal same sampl score second seem set short should similar six specif
    stage state statist still such sure surgeri surgic talk tell term them therapi through total treat try
    understand vaccin valu veri wan want where within without women ye`,
  ],
  [
    3.5,
    `abdomin abnorm accord actual adjust adult affect again against agre al am analys ankl anoth antigen appear
    around author avail biopsi bodi breath calcul call cardiovascular center characterist chest chief children
    chronic clear cohort collect common commun complaint concern condit conduct congest consecut consist countri
    coupl cross death defin depress describ diagnos diet done dose drug durat earli eat edema educ efficaci eight
    either elev end epidem estim et even ever exercis experi experienc fever few final fine fluid food foot
    fractur give given got greater hand happen hear hemoglobin highli home hundr hypertens ic imag impact incid
    independ index individu induc influenza inform injuri intens interv intervent isol issu joint keep kidnei
    kind known lab larg later least leg life live local locat loss main major manag mani mass materi median
    metformin mild minut ml monitor morn mortal move mri much multipl musculoskelet nation natur neck notic novel
    nurs off often onset oper oral outbreak palpat part particip patholog peopl per person place plai pneumonia
    point post postop predict prescrib presenc preval previou previous prior product prospect put random ratio
    regress regular rel relationship remov repeat requir research resist role run sai said scale seen select
    sequenc serum shown side sign singl size small social spread stai standard statu strain subject suggest
    support surviv swell syndrom tabl taken tender thank therefor tissu too transmiss trial tumor twenti twice
    under underw unit upper variabl viral virus visit vital vs wai walk`,
  ],
  [
    4,
    `abdomen abil access achiev acid ad address administr admit advanc advis agreement allow along anim anti appli
    applic appreci approach appropri approxim arm arteri arthriti articl ask assai averag avian avoid awai
    bacteri baselin believ benefit best beyond biolog birth bleed bone boni breast ca came carcinoma carri
    carrier cc challeng chill close co colonoscopi combin comparison complex concentr confid conjug constitut
    contact contain contribut correct cough counsel count cours criteria cultur date decemb definit degre
    deliveri demograph depend deriv despit detail diagnost diarrhea dietari difficulti direct displai distress
    distribut divers divid echocardiogram eject endors enrol epidemiolog episod especi establish event exist
    expect explain explor extens ey fall far fatigu featur felt field fig figur filament finger flexion focu form
    forti free frequenc frequent full futur gain gastrointestin gene genom genotyp global grade growth hard head
    headach healthi hepat histolog host http ii infant infecti inflamm inflammatori influenc inject institut
    instruct intact intak interact interest intern introduct involv januari kg laboratori lack late lead length
    lesion lesson light line logist longer lymph made matern mayb mechan medicin men middl min moder modif morbid
    mother motion movement mr multivari muscl nausea ncov neonat neurolog night nine node none obes odd offic
    open option organ origin otherwis outsid oxygen paramet pass pattern phage phase practic pre predictor
    pregnanc pregnant process produc program progress protect public puls qualiti questionnair quick radiat
    radiograph rais real recombin recurr reduct referr replac replic repres restrict rhythm rna routin scan
    schedul screen season secondari section self sensat sensit separ seven sex sit site skin slight slightli
    smoke sometim sourc speci stabl step stone stop strategi strength stress strong structur subsequ success
    surfac survei suspect systol target techniqu temperatur therapeut third thirti though thought throat thu
    toler took touch tract tradit travel tri typic ultrasound undergo univers until urin usual util vector versu
    vomit watch water weak wheez wherea whole why wors www yet young`,
  ],
  [
    4.5,
    `abov absenc abstract account acquir across act add addition administ admiss advantag advers agent alcohol
    align allergi almost alon alreadi altern alwai amount anemia annual answer anterior antibiot antivir anxieti
    appar april aspect assist assum asthma attempt attend attenu bacteriophag basic becom bed begin below benign
    big bind bioconjug bladder bmi bother bowel brace cellular central cervic character chart chemotherapi child
    circul citi classif classifi cluster cm coat coeffici cold coli colon commonli compon compris comput conserv
    constant construct contrast converg coronari coronavirus correspond cost covid critic ct curv cut databas
    decis deep defici delai deliv densiti depart di differenti difficult directli discharg disord dispers distal
    dna document doi doubl dr drink dynam dyspnea eimeria elbow elicit encourag endoscopi enhanc environment
    equal er escherichia essenti etiolog exacerb except exclud exert experiment expos exposur extend extent extra
    extract fact fail fast februari fell fifti fit fix flow fluoresc focus format fraction friend fulli
    furthermor gender genet gestat gfp glucos gov green guidelin half happi hcv heal healthcar heavi highest hip
    hiv hopefulli hormon identif igg iii immedi immunogen implement incom inhal inhibit injur insid intestin
    invas iv juli kei knowledg lamb land licens lift linear link lipid list listen literatur magnet mainli
    maintain margin marker match medial meet member mice minor miss mix mobil modifi molecular mostli motor mouth
    ms mucos mutat nam name ncbi nerv neutral never newborn newli nih nineti nlm novemb nucleotid older ovin own
    panel partial particl particular particularli pcr peak pediatr peptid percent percentag persist physician
    plate pleas plu poor poultri preoper prescript pretreat profil proport protocol proxim publish pulmonari
    quadrant quickli quit radiolog randomli rapid rather reach reaction reactiv read rebound receptor recruit red
    reflex reflux regimen regul regularli relev relief rememb renal repair resect reservoir residu resolv respond
    rest return robust room rotat rout safeti salt saw scaffold school seri serv servic seventi sha share
    similarli simul sink situ sleep soft solut sore south space specimen spectrum sport spp stabil stimul stool
    straight strainer strengthen stroke struggl student substanti substitut sugar supplement suscept swab swallow
    symptomat technolog ten tend text throughout titer togeth toltrazuril tool top toward train trap trauma trend
    turn unclear unfortun unknown upon urban urinari valid vari variou venou ventil via viet visual vitamin vitro
    volum wash weekend went white wide world worsen wrist younger`,
  ],
  [
    5,
    `absolut ac accuraci ach action adapt adenoma adenoviru adequ adjuv adopt air alter american anywher aortic
    appoint approv ard assign asymptomat attack attent attribut autoimmun awar babi bacillu bacteria balanc basi
    becam began behind bend benefici bia blind bowl box brain break bring burden bypass candid capac cardiac
    categor categori centimet certain chain chikungunya chikv childhood choic cholesterol class code coe color
    commerci comorbid composit compound compress concept conclus confound connect consensu consider consult
    contamin content context convent convers counter cover creatinin cuff cv cycl damag deal decad declin
    descript deviat devic diamet diari dilut disabl discontinu discov discoveri dissect distanc distinct drop ear
    earlier easi east ecolog effici effus eighti elderli elimin endoscop energi engin enlarg enough enter entri
    environ equin erythema esophag evolut exact exactli exampl excel excess exclus exhibit extern face facilit
    fals fatal father faucet feasibl fetal fifteen flare focrt fold fourteen fragment fusion gait gastric gave
    gel genitourinari gi gland goal graft groin guid habit haemorrhag hazard height hit hold hors hous hpai humor
    hypothes hypothesi icu ident iga il immunoglobulin impair implic impress inactiv inclus increasingli
    inhibitor insert integr intermedi interview intraop intraven introduc ireland iron june kept label labor
    landscap laparoscop led ligament likelihood liver load log lost lumbar lymphocyt malign march market mathemat
    maximum media mediat medium melanoma membran memori mental met metabol metastat million minim mitral mmhg
    monthli moreov nasal near necessari needl network ng nsaid nutrit obstetr obstruct occasion occurr oocyst
    opportun optim osteoarthr ovarian pair pandem parent pathogenesi pedv percept perfect peripher periton piglet
    plasma poorli portion posterior practition preexist prefer prepar primarili prognost promis propos prostat
    psychiatr rabbit radic radiotherapi rapidli rare rash readi recogn reconstruct rectal reflect regist regurgit
    releas reli reliabl reliev resid reson retain revis rt rti rub rule rural safe saturdai sd secret sens sent
    septemb seriou serolog sheet signal simultan sixti ski soon sought special speed spinal spine spot squar
    stain stair stand stiff stomach strongli subtili subtyp successfulli sudden suffici summari summer suppos
    surveil sustain synthesi task templat tertiari thick tomographi toxic transfus transit transplant true tumour
    ulcer unabl uniqu univari uruguayan usa usag vagin valv variat varieti version view virion vision wait ward
    wave wear welcom whom whose wife word worker worri yield`,
  ],
];

/** Rarity of each listed stem, 0 (in every passage) to 5. */
export const listedRarity: ReadonlyMap<string, number> = new Map(
  stemsByRarity.flatMap(([rarity, stems]) => stems.split(/\s+/).map((stem) => [stem, rarity] as const)),
);
